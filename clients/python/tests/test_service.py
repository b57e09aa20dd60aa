"""The client on the real service: offsets, keys, errors, streams in plain and over TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

import dateline_client
from conftest import Serve
from dateline_client import AsyncDateline, Dateline, Document, OffsetUnit, Result, _flight
from support import EMOJI

SEPARATORS = "Kyiv\u2028Lviv\x85\r\nJose\u0301 in Odesa \u202bעברית\u202c."


@pytest.fixture
def asking(url: str) -> Iterator[Dateline]:
    with Dateline(url) as client:
        yield client


def archive(count: int) -> list[Document]:
    return [Document(f"🚀 Report {number}: HIMARS struck Donetsk. {SEPARATORS}", number) for number in range(count)]


def test_a_text_with_emoji(asking: Dateline) -> None:
    annotation = asking.annotate(EMOJI, id="a1")
    assert (annotation.id, annotation.model, annotation.offsets) == ("a1", "dateline-en-small", "codepoint")
    found = {mention.text: mention.label for mention in annotation.mentions}
    assert found["93rd Mechanized Brigade"] == "UNIT"
    assert found["HIMARS"] == "WEAPON"
    assert found["Donetsk"] == "PLACE"
    for mention in annotation.mentions:
        assert EMOJI[mention.start : mention.end] == mention.text
        assert 0 < mention.score <= 1


@pytest.mark.parametrize("unit", ["codepoint", "utf16", "byte"])
def test_every_unit_is_an_exact_slice(asking: Dateline, unit: OffsetUnit) -> None:
    annotation = asking.annotate(EMOJI + SEPARATORS, offsets=unit)
    assert annotation.offsets == unit
    assert annotation.check().mentions


def test_options_count(asking: Dateline) -> None:
    assert {mention.label for mention in asking.annotate(EMOJI, labels=["UNIT"]).mentions} == {"UNIT"}
    assert asking.annotate(EMOJI, min_score=1.0).mentions == ()
    assert asking.annotate(EMOJI, model="dateline-en-small").mentions
    with pytest.raises(dateline_client.InvalidRequest, match="no label") as raised:
        asking.annotate(EMOJI, labels=["CITY"])
    assert (raised.value.problem.code, raised.value.problem.field) == ("invalid_field", "labels")
    assert raised.value.problem.request_id
    with pytest.raises(dateline_client.InvalidRequest, match="no model"):
        list(asking.stream([EMOJI], model="another"))


def test_a_bad_document_of_a_batch_and_of_a_stream(asking: Dateline) -> None:
    documents = [Document("In Kyiv.", "a"), Document("half \ud800", 7), Document("In Lviv.")]
    for results in (asking.annotate_batch(documents), list(asking.stream(documents))):
        assert [result.ok for result in results] == [True, False, True]
        assert [result.id for result in results] == ["a", 7, None]
        with pytest.raises(dateline_client.DocumentFailed, match="invalid_json"):
            results[1].unwrap()
        assert results[2].unwrap().mentions[0].text == "Lviv"


def test_models_and_health(asking: Dateline) -> None:
    (model,) = asking.models()
    assert (model.name, model.default) == ("dateline-en-small", True)
    assert model.labels == ("PERSON", "PLACE", "UNIT", "WEAPON")
    health = asking.health()
    assert (health.status, health.models) == ("ready", ("dateline-en-small",))


def check(results: list[Result], documents: list[Document]) -> None:
    assert [result.id for result in results] == [document.id for document in documents]
    for result in results:
        places = {mention.text for mention in result.unwrap().mentions}
        assert {"Donetsk", "Kyiv"} <= places


def test_a_stream_of_500_documents_is_answered_while_it_is_sent(
    asking: Dateline, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_flight, "MOST_DOCUMENTS", 64)
    documents = archive(500)
    taken, ahead = 0, []

    def source() -> Iterator[Document]:
        nonlocal taken
        for document in documents:
            taken += 1
            yield document

    results = []
    for result in asking.stream(source()):
        results.append(result)
        ahead.append(taken - len(results))
    check(results, documents)
    assert max(ahead) < 64
    assert pauses == [], "it took more than one connection"


def test_asyncio(url: str) -> None:
    documents = archive(500)

    async def source() -> AsyncIterator[Document]:
        for document in documents:
            yield document

    async def ask() -> None:
        async with AsyncDateline(url) as asking:
            one, many, models, health = await asyncio.gather(
                asking.annotate(EMOJI), asking.annotate_batch(documents[:5]), asking.models(), asking.health()
            )
            assert one.mentions
            check(many, documents[:5])
            assert (models[0].default, health.status) == (True, "ready")
            check([result async for result in asking.stream(source())], documents)

    asyncio.run(ask())


def test_keys(dateline: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys.toml"
    made = subprocess.run(
        [dateline, "keys", "add", "desk", "--file", keys], check=True, capture_output=True, text=True, timeout=60
    )
    with serve("--keys", str(keys)) as url:
        for key in (None, "dl_wrong"):
            with Dateline(url, api_key=key) as client:
                with pytest.raises(dateline_client.Unauthorized) as raised:
                    client.annotate("In Kyiv.")
                assert (raised.value.problem.status, raised.value.problem.code) == (401, "unauthorized")
                documents = iter(archive(100))
                with pytest.raises(dateline_client.Unauthorized):
                    list(client.stream(documents))
                assert len(list(documents)) == 99, "documents were sent to a service that lets nobody in"
                assert client.health().status == "ready"
        monkeypatch.setenv("DATELINE_API_KEY", made.stdout.strip())
        monkeypatch.setenv("DATELINE_URL", url)
        with Dateline() as client:
            assert client.annotate("In Kyiv.").mentions
            assert len(list(client.stream(archive(20)))) == 20


def test_limits(serve: Serve) -> None:
    with serve("--max-documents", "3", "--rate-limit", "1") as url:
        once = dateline_client.Retry(attempts=1)
        with Dateline(url, retry=once) as client, pytest.raises(dateline_client.TooLarge, match="too_many_documents"):
            client.annotate_batch(["In Kyiv."] * 4)
        with Dateline(url, retry=once) as client, pytest.raises(dateline_client.RateLimited) as raised:
            list(map(client.annotate, ["In Kyiv."] * 20))
        assert raised.value.retry_after == 1
        with Dateline(url) as patient:
            assert [patient.annotate("In Kyiv.").mentions[0].text for _ in range(2)] == ["Kyiv", "Kyiv"]


def test_over_tls(serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    documents = archive(300)
    with serve("--tls-cert", str(chain), "--tls-key", str(key)) as url:
        assert url.startswith("https://")
        with Dateline(url, verify=context) as client:
            assert client.annotate(EMOJI).mentions
            check(list(client.stream(iter(documents))), documents)

        async def ask() -> None:
            async with AsyncDateline(url, verify=context) as asking:
                check([result async for result in asking.stream(documents)], documents)

        asyncio.run(ask())
        with Dateline(url) as stranger:
            with pytest.raises(dateline_client.ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
                stranger.annotate(EMOJI)
            with pytest.raises(dateline_client.ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
                list(stranger.stream([EMOJI]))
