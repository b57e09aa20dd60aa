"""Holds the golden files of the newsroom formats to the published schemas and to tools that read them.

    check.py SCHEMAS GOLDEN

Each check is also tried on something that it must refuse: a validator that lets everything through proves nothing.
"""

import copy
import json
import sys
from pathlib import Path

import xmlschema
from followthemoney import model
from followthemoney.exc import InvalidData
from jsonschema import Draft4Validator, Draft202012Validator
from lxml import etree
from pyld import jsonld
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

SCHEMAS, GOLDEN = (Path(argument) for argument in sys.argv[1:])
G2 = "{http://iptc.org/std/nar/2006-10-01/}"
XHTML = "{http://www.w3.org/1999/xhtml}"
CONTEXT = "http://www.w3.org/ns/anno.jsonld"


def lines(name):
    # splitlines() also breaks at U+2028 and U+0085, which our lines therefore must not have bare.
    return [json.loads(line) for line in (GOLDEN / name).read_text("utf-8").splitlines()]


def expect(right, what):
    if not right:
        sys.exit(f"not right: {what}")


def unwrapped(value):
    """A value with lists of one as what is in them, which JSON-LD does not tell apart."""
    if isinstance(value, dict):
        return {name: unwrapped(member) for name, member in value.items()}
    if isinstance(value, list):
        return unwrapped(value[0]) if len(value) == 1 else [unwrapped(member) for member in value]
    return value


def ninjs():
    """ninjs against IPTC's JSON schemas, with the formats (uri, date-time) checked."""
    validators = {}
    for version in ("1.5", "2.1", "3.1"):
        schema = json.loads((SCHEMAS / f"ninjs-schema_{version}.json").read_text("utf-8"))
        kind = Draft4Validator if version == "1.5" else Draft202012Validator
        kind.check_schema(schema)
        validators[version] = kind(schema, format_checker=kind.FORMAT_CHECKER)
    count = 0
    for name in ("ninjs.jsonl", "ninjs-2.jsonl", "ninjs-enriched.jsonl"):
        for story in lines(name):
            version = (story.get("standard") or story["$standard"])["version"]
            for error in validators[version].iter_errors(story):
                sys.exit(f"{name}, {version}: {error.json_path}: {error.message}")
            count += 1
    story = lines("ninjs.jsonl")[0]
    for change, what in (
        (lambda it: it["people"][0].update(confidence=90), "confidence of a person"),
        (lambda it: it["objects"][0].update(relevance=90), "relevance of an object"),
        (lambda it: it["subjects"][0].update(confidence=0.9), "confidence that is no integer"),
        (lambda it: it.update(uri="no uri"), "uri that is none"),
        (lambda it: it.update(versionCreated="2024-05-02"), "versionCreated without a time"),
        (lambda it: it.update(mentions=[]), "field of our own"),
    ):
        other = copy.deepcopy(story)
        change(other)
        expect(not validators["3.1"].is_valid(other), f"ninjs 3.1 takes a {what}")
    return f"{count} stories valid (jsonschema)"


def newsml(texts):
    """NewsML-G2 against IPTC's schema, by two validators; its text and spans as another reader sees them."""
    path = GOLDEN / "newsml-g2.xml"
    schema_path = str(SCHEMAS / "NewsML-G2_2.35-spec-All-Power.xsd")
    by_libxml = etree.XMLSchema(etree.parse(schema_path))
    tree = etree.parse(str(path))
    by_libxml.assertValid(tree)
    by_python = xmlschema.XMLSchema(schema_path)
    by_python.validate(str(path))
    mentions = 0
    for item, (text, found) in zip(tree.iter(f"{G2}newsItem"), texts, strict=True):
        body = item.find(f".//{XHTML}body")
        expect("".join(body.itertext()) == text, "the text of a body")
        spans = list(body.iter(f"{XHTML}span"))
        seen = [("".join(span.itertext()), span.get("title")) for span in spans]
        expect(seen == [(text[start:end], label) for start, end, label in found], "the spans of a body")
        referred = " ".join(ref.get("idrefs") for ref in item.iter(f"{G2}inlineRef")).split()
        expect(sorted(referred) == sorted(span.get("id") for span in spans), "what inlineRef refers to")
        alone = etree.ElementTree(copy.deepcopy(item))
        by_libxml.assertValid(alone)
        by_python.validate(etree.tostring(alone, encoding="unicode"))
        mentions += len(spans)
    for attribute, value in (("confidence", "0.9"), ("confidence", "101"), ("type", "no code"), ("literal", "a\tb")):
        broken = copy.deepcopy(tree)
        next(broken.iter(f"{G2}subject")).set(attribute, value)
        expect(not by_libxml.validate(broken), f"libxml2 takes {attribute}={value!r}")
        expect(not by_python.is_valid(etree.tostring(broken, encoding="unicode")), f"xmlschema takes {attribute}={value!r}")
    undated = copy.deepcopy(tree)
    created = next(undated.iter(f"{G2}versionCreated"))
    created.getparent().remove(created)
    expect(not by_libxml.validate(undated), "libxml2 takes an item without versionCreated")
    return f"{len(texts)} items valid (libxml2, xmlschema), {mentions} spans where they should be"


def annotations():
    """Web Annotations: JSON-LD that loses nothing, the W3C's own assertions, offsets in code points."""
    context = json.loads((SCHEMAS / "anno.jsonld").read_text("utf-8"))

    def load(url, _options):
        expect(url == CONTEXT, f"a context elsewhere, {url}")
        return {"contextUrl": None, "documentUrl": url, "document": context, "contentType": "application/ld+json"}

    tests = SCHEMAS / "web-annotation-tests"
    folders = (tests / name for name in ("annotations", "collections", "definitions"))
    files = {file.name: json.loads(file.read_text("utf-8")) for folder in folders for file in folder.rglob("*.json")}
    registry = Registry().with_resources(
        (name, Resource.from_contents(contents, default_specification=DRAFT4))
        for name, contents in files.items()
        if isinstance(contents, dict)
    )

    def musts(listed, value):
        assertions = json.loads((tests / listed).read_text("utf-8"))["assertions"]
        if isinstance(value.get("partOf"), str):
            # They ask what the collection inside partOf looks like, and fail where that is only named, as it may be (5.2).
            asks = {name: json.dumps(schema.get("properties", {}).get("partOf", "")) for name, schema in files.items()}
            on_names = "collections.json#/definitions/partOf"
            assertions = [it for it in assertions if asks[Path(it).name] == '""' or on_names in asks[Path(it).name]]
        wrong = []
        for assertion in assertions:
            schema = files[Path(assertion).name]
            schema = {**schema, "id": Path(assertion).name}
            valid = Draft4Validator(schema, registry=registry).is_valid(value)
            if valid != (schema.get("expectedResult", "valid") == "valid"):
                wrong.append(f"{assertion}: {schema.get('errorMessage')}")
        return len(assertions), wrong

    texts, asserted = [], 0
    for collection in lines("web-annotation.jsonl"):
        # What the context does not know disappears in expansion; nothing may.
        expanded = jsonld.expand(collection, {"documentLoader": load})
        compacted = jsonld.compact(expanded, collection["@context"], {"documentLoader": load})
        expect(unwrapped(compacted) == unwrapped(collection), "JSON-LD that comes back from expansion as it was")
        text, found = collection["about"]["chars"], []
        page = collection.get("first", {"items": []})
        for listed, value in (
            ("collections/collectionMusts.test", collection),
            ("collections/pages/pageMusts.test", {"@context": collection["@context"], **page}),
            *(("annotations/annotationMusts.test", {"@context": collection["@context"], **it}) for it in page["items"]),
        ):
            if not (tests / listed).exists():
                sys.exit(f"the W3C's tests have no {listed}")
            count, wrong = musts(listed, value)
            asserted += count
            expect(not wrong, "\n".join([listed, *wrong]))
        for annotation in page["items"]:
            quote, position = annotation["target"]["selector"]
            start, end = position["start"], position["end"]
            around = (text[max(0, start - 32) : start], text[start:end], text[end : end + 32])
            expect((quote["prefix"], quote["exact"], quote["suffix"]) == around, "a quote at its position")
            found.append((start, end, annotation["body"][0]["value"]))
        texts.append((text, found))
    broken = {"@context": CONTEXT, **page["items"][0]}
    del broken["target"]["selector"][1]["start"]
    expect(musts("annotations/annotationMusts.test", broken)[1], "the W3C's tests take a position without a start")
    return texts, f"{len(texts)} collections whole as JSON-LD, {asserted} assertions of the W3C hold"


def follow_the_money(texts):
    """FollowTheMoney takes every entity, and its cleaning changes only what ftm.rs says."""
    entities = lines("ftm.jsonl")
    ids = {entity["id"] for entity in entities}
    expect(len(ids) == len(entities), "distinct ids")
    for entity in entities:
        schema = model.get(entity["schema"])
        schema.validate(entity)
        proxy = model.get_proxy(entity, cleaned=False)
        for name, values in entity["properties"].items():
            kept = proxy.get(name)
            expect(len(kept) == len(values), f"{entity['schema']}.{name}: {values} became {kept}")
        for required in schema.required:
            expect(proxy.get(required), f"{entity['schema']} has {required}")
        for document in proxy.get("document", quiet=True):
            expect(document in ids, "a mention's document")
        # As bulk loaders take it: as it is.
        expect(model.get_proxy(entity).to_dict()["properties"] == entity["properties"], "properties that stay")
    bodies = ["".join(entity["properties"].get("bodyText", [])) for entity in entities if entity["schema"] == "PlainText"]
    expect(bodies == [text for text, _ in texts], "the texts")
    try:
        model.get_proxy({"id": "a", "schema": "Weapon", "properties": {}})
        sys.exit("FollowTheMoney takes a schema that there is not")
    except InvalidData:
        pass
    for schema, properties in (("PlainText", {"bodyText": ["x" * 65_001]}), ("Mention", {"document": ["no id!"]})):
        try:
            model.get(schema).validate({"id": "a", "schema": schema, "properties": properties})
        except InvalidData:
            continue
        sys.exit(f"FollowTheMoney takes a wrong {schema}")
    return f"{len(entities)} entities taken, {sum(it['schema'] == 'Mention' for it in entities)} of them mentions"


texts, said = annotations()
print(f"web-annotation: {said}")
print(f"ninjs:          {ninjs()}")
print(f"newsml-g2:      {newsml(texts)}")
print(f"ftm:            {follow_the_money(texts)}")
