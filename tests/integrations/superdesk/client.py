"""Superdesk's own iMatrics client against a running `dateline serve`: client.py BASE_URL KEY.

The class is superdesk-core's, with nothing in it replaced; it gets a Flask application with its settings, and an empty
vocabulary of places in the stead of Superdesk's database, in which it looks up whether a place is known.
"""

import asyncio
import sys
import types
import uuid

# superdesk-core 2.5.3 is older than Python 3.11, which took this away; it is used for notifications only.
asyncio.coroutine = types.coroutine

import flask  # noqa: E402
import superdesk  # noqa: E402
from superdesk.errors import SuperdeskApiError  # noqa: E402
from superdesk.text_checkers.ai.imatrics import IMatrics  # noqa: E402

ARTICLE = {
    "guid": "urn:newsml:localhost:2026:1",
    "language": "en",
    "headline": "🚀 HIMARS strike near Bakhmut",
    "body_html": "<p>Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS.</p>"
    "<p>“Bakhmut &amp; Donetsk stand”, Syrskyi said 👩‍🚒.</p>",
    "abstract": "<p>The 93rd Mechanized Brigade holds out.</p>",
}


class NoVocabularies:
    """Superdesk's vocabularies, of which there are none."""

    def get_items(self, _id):
        return []


def names(tags):
    return {kind: [tag["name"] for tag in of] for kind, of in tags.items()}


def an_article_is_tagged(client):
    tags = client.analyze(ARTICLE)
    found = names(tags)
    print(found)
    assert set(found) <= {"person", "place", "organisation", "object"}, found
    assert found["person"] == ["Oleksandr Syrskyi"], found
    assert found["organisation"] == ["93rd Mechanized Brigade"], found
    assert {"Bakhmut", "Donetsk"} <= set(found["place"]), found
    assert "HIMARS" in found["object"], found
    for tag in sum(tags.values(), []):
        assert tag["source"] == "imatrics" and tag["original_source"] == "dateline" and tag["parent"] is None, tag
        assert tag["altids"] == {"imatrics": tag["qcode"]}, tag
    # Mentions of one thing are one tag: a name alone is no second person.
    person = tags["person"][0]
    assert person["aliases"] == ["Syrskyi"], person
    assert person["qcode"] == str(uuid.uuid5(uuid.NAMESPACE_URL, "urn:dateline:entity:PERSON:Oleksandr Syrskyi"))
    assert tags["place"][0]["scheme"] == "place_custom", tags["place"]


def a_name_is_the_same_tag_everywhere(client):
    other = dict(ARTICLE, guid="urn:newsml:localhost:2026:2", headline="", body_html="<p>Snow fell on Bakhmut.</p>")
    del other["abstract"]
    codes = [
        next(tag["qcode"] for tag in client.analyze(article)["place"] if tag["name"] == "Bakhmut")
        for article in (ARTICLE, other)
    ]
    assert codes[0] == codes[1], codes
    assert client.analyze(dict(other, body_html="<p>Nothing of note.</p>")) == {}
    # The client does not even ask of an article without text.
    assert client.analyze(dict(other, body_html="")) == {"subject": []}


def a_search_by_analysis_is_answered(client):
    found = client.search2({"term": "Bakhmut and Donetsk", "language": "en"})
    assert names(found["tags"]) == {"place": ["Bakhmut", "Donetsk"]} and found["broader"] == {}, found


def what_we_have_not_is_an_error(client):
    tags = client.analyze(ARTICLE)
    for operation, data in [
        ("search", {"term": "Bakhmut", "language": "en"}),
        ("create", {"title": "Bakhmut", "type": "place"}),
        ("delete", {"uuid": tags["place"][0]["qcode"]}),
        ("feedback", {"item": ARTICLE, "tags": tags}),
    ]:
        try:
            client.data_operation("POST", operation, "imatrics", data)
        except SuperdeskApiError as error:
            assert "Unexpected return code (404)" in str(error.message) and "not stored" in error.message, error.message
        else:
            raise AssertionError(f"{operation} was answered")


def a_wrong_key_is_an_error(app, client):
    right, app.config["IMATRICS_KEY"] = app.config["IMATRICS_KEY"], "dl_wrong"
    try:
        client.analyze(ARTICLE)
    except SuperdeskApiError as error:
        assert "(401)" in error.message and "unauthorized" in error.message, error.message
    else:
        raise AssertionError("a wrong key was let in")
    finally:
        app.config["IMATRICS_KEY"] = right


def main(url, key):
    app = flask.Flask("newsroom")
    # The user's name is anybody's affair; the slash at the end is not: the client puts its paths behind the last one.
    app.config.update(IMATRICS_BASE_URL=f"{url}/integrations/imatrics/", IMATRICS_USER="newsroom", IMATRICS_KEY=key)
    superdesk.resources["vocabularies"] = types.SimpleNamespace(service=NoVocabularies())
    with app.app_context():
        client = IMatrics(app)
        an_article_is_tagged(client)
        a_name_is_the_same_tag_everywhere(client)
        a_search_by_analysis_is_answered(client)
        what_we_have_not_is_an_error(client)
        a_wrong_key_is_an_error(app, client)


main(*sys.argv[1:])
