"""What INCEpTION's external recommender sends to a running `dateline serve`: client.py BASE_URL KEY.

INCEpTION itself is a Java server with a database, and is not run here. The requests are those of its `ExternalRecommender`
(version 1), with DKPro Core's type system and the features that INCEpTION adds to the layer; documents are made and
answers read by DKPro Cassis, with which its recommenders in Python are written.
"""

import json
import sys
import urllib.error
import urllib.request

import cassis

LAYER = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
TOKEN = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Token"
SENTENCE = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Sentence"
PREDICTED = "inception_internal_predicted"

TEXTS = {
    "plain": "Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS.",
    "emoji before, between and after": "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk. 🔥",
    "accents, some of them combining": "President Emmanuel Macron and Jose\u0301 Ángel Gurría met in Kyiv — “at last”.",
    "two lines, tabs and CRLF": "KYIV —\tVolodymyr Zelensky spoke.\r\n\r\nLeopard 2 tanks arrived in Lviv.",
    "what XML has other uses for": "<b>Kyiv</b> & \"Lviv\" 'stand' &amp; Donetsk ]]> falls.",
    "right to left beside it": "שלום Kyiv دمشق 🚀 Lviv",
    "one that is read in windows": "🛰 The 3rd Assault Brigade left Kyiv for Avdiivka. " * 200,
}
PLAIN = TEXTS["plain"]


def types():
    """DKPro Core's types, with a layer as INCEpTION extends it for its recommenders."""
    system = cassis.load_dkpro_core_typesystem()
    layer = system.get_type(LAYER)
    for name, kind in [
        (PREDICTED, "uima.cas.Boolean"),
        ("value_score", "uima.cas.Double"),
        ("value_score_explanation", "uima.cas.String"),
        ("value_auto_accept", "uima.cas.String"),
    ]:
        system.create_feature(layer, name, kind)
    return system


def document(text, system):
    """A document as an annotator left it: sentences, tokens and a name that is already there."""
    cas = cassis.Cas(typesystem=system)
    cas.sofa_string, cas.sofa_mime = text, "text/plain"
    cas.add(system.get_type(SENTENCE)(begin=0, end=len(text)))
    start = 0
    for word in text.split(" "):
        if word:
            cas.add(system.get_type(TOKEN)(begin=start, end=start + len(word)))
        start += len(word) + 1
    cas.add(system.get_type(LAYER)(begin=0, end=1, value="OTH", identifier="kept as it is: 🚀 & <b>"))
    return cas


class Service:
    def __init__(self, url, key, system):
        self.url, self.key, self.system = url, key, system

    def post(self, path, body):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(f"{self.url}/integrations/inception/{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def request(self, xmi, length, **metadata):
        standard = {
            "layer": LAYER,
            "feature": "value",
            "projectId": 1337,
            "anchoringMode": "tokens",
            "crossSentence": False,
            "range": {"begin": 0, "end": length},
        }
        return {
            "metadata": standard | metadata,
            "document": {"xmi": xmi, "documentId": 42, "userId": "annotator"},
            "typeSystem": self.system.to_xml(),
        }

    def predict(self, xmi, length, **metadata):
        return self.post("predict", self.request(xmi, length, **metadata))["document"]

    def error(self, path, body):
        try:
            self.post(path, body)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        raise AssertionError(f"{path} was answered")


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


def suggestions(cas):
    return [name for name in cas.select(LAYER) if getattr(name, PREDICTED)]


def suggestions_cover_names(service):
    for name, text in TEXTS.items():
        for pretty in (False, True):
            sent = document(text, service.system).to_xmi(pretty_print=pretty)
            answered = service.predict(sent, utf16(text))
            cas = cassis.load_cas_from_xmi(answered, service.system)
            assert cas.sofa_string == text, f"{name}: the text is another"
            found = suggestions(cas)
            assert found, f"{name}: nothing was found"
            for suggestion in found:
                covered = suggestion.get_covered_text()
                assert covered and covered == covered.strip(), f"{name}: {suggestion}"
                assert suggestion.value in ("PERSON", "PLACE", "UNIT", "WEAPON"), f"{name}: {suggestion}"
                assert 0 < suggestion.value_score <= 1, f"{name}: {suggestion}"
            covered = [(suggestion.value, suggestion.get_covered_text()) for suggestion in found]
            print(name, covered[:6])
            assert covered == mentions(service, text), f"{name}: not what /v1/annotate finds"
            what_came_goes_back(name, sent, answered, cas, service.system)


def mentions(service, text):
    """What the service's own route finds."""
    headers = {"Content-Type": "application/json", "X-API-Key": service.key}
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"{service.url}/v1/annotate", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return [(mention["label"], mention["text"]) for mention in json.load(answer)["mentions"]]


def what_came_goes_back(name, sent, answered, cas, system):
    # As characters: everything that was sent stands in the answer, in its order.
    rest = iter(answered)
    assert all(sign in rest for sign in sent), f"{name}: something of the document is lost"
    # As annotations: without the suggestions it is the document that was sent.
    for suggestion in suggestions(cas):
        cas.remove(suggestion)
    before, after = cassis.load_cas_from_xmi(sent, system), cas
    assert described(before) == described(after), f"{name}: the annotations are others"
    ids = [part.split('"')[0] for part in answered.split(' xmi:id="')[1:]]
    assert len(ids) == len(set(ids)), f"{name}: an id is there twice"


def described(cas):
    return [
        (kind.name, [(feature.name, str(getattr(annotation, feature.name))) for feature in kind.all_features if feature.name != "sofa"])
        for annotation in cas.select_all()
        for kind in [annotation.type]
    ]


def a_range_is_kept_to(service):
    text = TEXTS["emoji before, between and after"]
    xmi = document(text, service.system).to_xmi()
    begin = utf16(text[: text.index("HIMARS")])
    everywhere = [name for _, name in mentions(service, text)]
    at = everywhere.index("HIMARS")
    assert 0 < at < len(everywhere) - 1, f"there is nothing on both sides of HIMARS: {everywhere}"
    for span, expected in [
        ((begin, begin + 6), ["HIMARS"]),
        ((begin + 2, begin + 3), ["HIMARS"]),
        ((begin - 1, begin), []),
        ((0, begin), everywhere[:at]),
        ((-1, -1), everywhere),
    ]:
        answered = service.predict(xmi, 0, range={"begin": span[0], "end": span[1]})
        found = suggestions(cassis.load_cas_from_xmi(answered, service.system))
        assert [suggestion.get_covered_text() for suggestion in found] == expected, f"{span}: {found}"
    everything = service.request(xmi, 0)
    del everything["metadata"]["range"]  # As versions before 35 have it.
    assert service.post("predict", everything)["document"].count(f'{PREDICTED}="true"') == len(everywhere)


def a_second_view_is_left_alone(service):
    cas = document(PLAIN, service.system)
    view = cas.create_view("another")
    view.sofa_string = "Kyiv"
    answered = cassis.load_cas_from_xmi(service.predict(cas.to_xmi(), utf16(PLAIN)), service.system)
    assert len(suggestions(answered)) == 4 and not suggestions(answered.get_view("another"))


def a_layer_of_ones_own(service):
    system = types()
    layer = system.create_type("webanno.custom.Mention", "uima.tcas.Annotation")
    for name, kind in [("label", "uima.cas.String"), (PREDICTED, "uima.cas.Boolean")]:
        system.create_feature(layer, name, kind)
    cas = cassis.Cas(typesystem=system)
    cas.sofa_string = PLAIN
    own = Service(service.url, service.key, system)
    answered = own.predict(cas.to_xmi(), utf16(PLAIN), layer="webanno.custom.Mention", feature="label")
    found = cassis.load_cas_from_xmi(answered, system).select("webanno.custom.Mention")
    assert [(name.label, name.get_covered_text()) for name in found] == mentions(service, PLAIN)


def what_is_wrong_is_said(service):
    xmi = document(PLAIN, service.system).to_xmi()
    for metadata, says in [
        ({"layer": "webanno.custom.Missing"}, "no type"),
        ({"feature": "missing"}, "no feature"),
        ({"layer": TOKEN, "feature": "form"}, "form"),
    ]:
        status, problem = service.error("predict", service.request(xmi, 10, **metadata))
        assert status == 422 and says in problem["detail"], problem
    status, problem = service.error("predict", service.request(xmi[:-5], 10))
    assert status == 422 and "not well-formed" in problem["detail"], problem
    status, problem = service.error("train", {"metadata": {}, "documents": [], "typeSystem": ""})
    assert status == 404 and "Trainable" in problem["detail"], problem
    status, problem = Service(service.url, "dl_wrong", service.system).error("predict", {})
    assert status == 401, problem


def main(url, key):
    service = Service(url, key, types())
    suggestions_cover_names(service)
    a_range_is_kept_to(service)
    a_second_view_is_left_alone(service)
    a_layer_of_ones_own(service)
    what_is_wrong_is_said(service)


main(*sys.argv[1:])
