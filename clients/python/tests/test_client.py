"""One text and many: what is sent, what comes back, when it is sent again and what is raised. No network."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

import dateline_client
from dateline_client import Annotation, AsyncDateline, Dateline, Document, Failure, Problem, Retry, errors
from dateline_client.retry import retry_after
from support import EMOJI, URL, Service, annotate, mentions_of, problem


def sent(request: httpx.Request) -> Any:  # noqa: ANN401 - JSON is anything
    return json.loads(request.content)


def test_one_text() -> None:
    service = Service()
    annotation = service.client().annotate(EMOJI, id="a1", min_score=0.5, labels=["PLACE"], model="m")
    assert sent(service.requests[0]) == {
        "id": "a1",
        "text": EMOJI,
        "offsets": "codepoint",
        "min_score": 0.5,
        "labels": ["PLACE"],
        "model": "m",
    }
    assert (annotation.id, annotation.text, annotation.model) == ("a1", EMOJI, "m")
    assert [mention.text for mention in annotation.mentions] == ["HIMARS"]
    assert all(annotation.text[mention.start : mention.end] == mention.text for mention in annotation.mentions)


def test_what_is_not_chosen_is_left_to_the_service() -> None:
    service = Service()
    service.client().annotate("KYIV")
    assert sent(service.requests[0]) == {"text": "KYIV", "offsets": "codepoint"}


def test_many_texts_each_with_its_result_in_order() -> None:
    service = Service()
    results = service.client().annotate_batch(["KYIV", Document("bad", 7), Document("bad"), Document("LVIV", "d")])
    assert [type(result) for result in results] == [Annotation, Failure, Failure, Annotation]
    assert [result.index for result in results] == [0, 1, 2, 3]
    assert [result.id for result in results] == [None, 7, None, "d"]
    assert [result.text for result in results] == ["KYIV", "bad", "bad", "LVIV"]
    with pytest.raises(dateline_client.DocumentFailed, match="model_failed"):
        results[1].unwrap()
    assert results[3].unwrap().mentions[0].text == "LVIV"


def test_a_batch_of_nothing_asks_nobody() -> None:
    service = Service()
    assert service.client().annotate_batch([]) == []
    assert service.requests == []


@pytest.mark.parametrize("answer", [{"documents": [], "errors": []}, {"documents": [], "errors": [{"index": 5}]}])
def test_a_lost_document_is_noticed(answer: dict[str, object]) -> None:
    service = Service(httpx.Response(200, json={"model": "m", "offsets": "codepoint", **answer}))
    with pytest.raises(dateline_client.UnexpectedAnswer, match="1 documents were sent"):
        service.client().annotate_batch(["KYIV"])


def test_half_a_surrogate_pair_reaches_the_service_escaped() -> None:
    service = Service()
    service.client().annotate_batch(["\ud800 KYIV", "LVIV"])
    assert b"\\ud800" in service.requests[0].content


def test_a_wrong_slice_is_noticed_unless_nobody_looks() -> None:
    wrong = httpx.Response(200, json={"model": "m", "offsets": "codepoint", "mentions": mentions_of("  KYIV")})
    with pytest.raises(dateline_client.OffsetMismatch, match="2 to 6"):
        Service(wrong).client().annotate("KYIV  ")
    careless = Dateline(URL, transport=httpx.MockTransport(Service(wrong)), check_offsets=False)
    assert careless.annotate("KYIV  ").mentions[0].start == 2


def test_a_key_goes_along_and_is_never_shown() -> None:
    service = Service()
    keyed = service.client(api_key="dl_secret")
    keyed.annotate("KYIV")
    assert service.requests[0].headers["Authorization"] == "Bearer dl_secret"
    assert "secret" not in repr(keyed)
    with pytest.raises(ValueError, match="API key") as raised:
        Dateline(api_key="dl_secret\n")
    assert "secret" not in str(raised.value)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATELINE_URL", "https://desk.example/dateline/")
    monkeypatch.setenv("DATELINE_API_KEY", "dl_env")
    service = Service()
    Dateline(transport=httpx.MockTransport(service)).annotate("KYIV")
    assert str(service.requests[0].url) == "https://desk.example/dateline/v1/annotate"
    assert service.requests[0].headers["Authorization"] == "Bearer dl_env"
    Dateline(URL, api_key="", transport=httpx.MockTransport(service)).annotate("KYIV")
    assert str(service.requests[1].url) == f"{URL}/v1/annotate"
    assert "Authorization" not in service.requests[1].headers


@pytest.mark.parametrize("url", ["desk.example", "ftp://desk.example", "http://", "http://h/?x=1", "http://h:port"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Dateline(url)


def test_mistakes_are_told_before_anything_is_sent() -> None:
    service = Service()
    asking = service.client()
    with pytest.raises(TypeError, match=r"give a list, as in \['PLACE'\]"):
        asking.annotate("KYIV", labels="PLACE")
    with pytest.raises(ValueError, match="codepoint"):
        asking.annotate("KYIV", offsets="char")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="one text"):
        asking.annotate_batch("KYIV")
    with pytest.raises(TypeError, match="not dict"):
        asking.annotate_batch([{"text": "KYIV"}])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="JSON"):
        asking.annotate("KYIV", id=float("nan"))
    with pytest.raises(ValueError, match="attempt"):
        Retry(attempts=0)
    assert service.requests == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_json", dateline_client.InvalidRequest),
        (401, "unauthorized", dateline_client.Unauthorized),
        (404, "not_found", dateline_client.NotFound),
        (413, "too_many_documents", dateline_client.TooLarge),
        (418, "teapot", dateline_client.ProblemError),
        (422, "invalid_field", dateline_client.InvalidRequest),
        (500, "internal", dateline_client.ServiceFailed),
        (504, "deadline_exceeded", dateline_client.ServiceTimeout),
        (599, "new", dateline_client.ServiceFailed),
    ],
)
def test_a_problem_is_an_error_of_its_kind_and_not_repeated(status: int, code: str, kind: type[Exception]) -> None:
    service = Service(
        problem(status, code, field="text", line=1, column=9, request_id="r1", errors=[{"pointer": "/a"}])
    )
    with pytest.raises(dateline_client.ProblemError) as raised:
        service.client().annotate("KYIV")
    assert type(raised.value) is kind
    assert raised.value.problem == Problem(
        type=f"urn:dateline:problem:{code}",
        title="T",
        status=status,
        code=code,
        detail="D",
        field="text",
        line=1,
        column=9,
        request_id="r1",
        errors=({"pointer": "/a"},),
    )
    assert len(service.requests) == 1


def test_who_is_in_between_is_quoted() -> None:
    page = httpx.Response(403, html="<h1>Blocked</h1>", headers={"X-Request-Id": "p1"})
    with pytest.raises(dateline_client.Unauthorized, match="Blocked") as raised:
        Service(page).client().annotate("KYIV")
    assert (raised.value.problem.code, raised.value.problem.request_id) == ("", "p1")
    with pytest.raises(dateline_client.ProblemError, match="elsewhere"):
        Service(httpx.Response(302, headers={"Location": "http://elsewhere/"})).client().annotate("KYIV")
    with pytest.raises(dateline_client.UnexpectedAnswer, match="is not JSON"):
        Service(httpx.Response(200, html="<h1>Welcome</h1>")).client().annotate("KYIV")
    broken = httpx.Response(400, content=b"{", headers={"Content-Type": "application/problem+json"})
    with pytest.raises(dateline_client.InvalidRequest, match="Bad Request"):
        Service(broken).client().annotate("KYIV")


BUSY = problem(503, "overloaded", retry_after=3)
LIMITED = problem(429, "rate_limited", retry_after=2)
GONE = httpx.ConnectError("refused")


def test_it_comes_again_when_that_may_help(pauses: list[float]) -> None:
    service = Service(BUSY, LIMITED, GONE, httpx.RemoteProtocolError("hung up"), annotate)
    assert service.client().annotate("KYIV").mentions[0].text == "KYIV"
    assert len(service.requests) == 5
    assert len({request.content for request in service.requests}) == 1
    for pause, least, most in zip(pauses, [3.25, 2.5, 1.0, 2.0], [3.5, 3.0, 2.0, 4.0], strict=True):
        assert least <= pause <= most


def test_asyncio_comes_again_when_that_may_help(pauses: list[float]) -> None:
    service = Service(BUSY, LIMITED, GONE, annotate)

    async def ask() -> Annotation:
        async with service.async_client() as asking:
            return await asking.annotate("KYIV")

    assert asyncio.run(ask()).mentions[0].text == "KYIV"
    assert len(pauses) == 3
    assert pauses[0] >= 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (BUSY, dateline_client.ServiceUnavailable),
        (LIMITED, dateline_client.RateLimited),
        (GONE, dateline_client.ConnectionFailed),
        (httpx.Response(502, text="no upstream"), dateline_client.ServiceUnavailable),
    ],
)
def test_it_gives_up_in_the_end(answer: httpx.Response | Exception, kind: type[Exception], pauses: list[float]) -> None:
    service = Service(answer)
    with pytest.raises(kind):
        service.client(retry=Retry(attempts=3)).annotate_batch(["KYIV"])
    assert len(service.requests) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ReadTimeout("slow"), dateline_client.TimedOut),
        (httpx.UnsupportedProtocol("what"), dateline_client.ConnectionFailed),
    ],
)
def test_what_would_not_help_is_not_tried(error: Exception, kind: type[Exception], pauses: list[float]) -> None:
    service = Service(error)
    with pytest.raises(kind) as raised:
        service.client().annotate("KYIV")
    assert raised.value.__cause__ is error
    assert (len(service.requests), pauses) == (1, [])


def test_a_certificate_that_is_not_trusted_stays_so(pauses: list[float]) -> None:
    error = httpx.ConnectError("bad certificate")
    error.__cause__ = ssl.SSLCertVerificationError("bad certificate")
    service = Service(error)
    with pytest.raises(dateline_client.ConnectionFailed, match="certificate"):
        service.client().annotate("KYIV")
    assert pauses == []


def test_nobody_waits_longer_than_agreed(pauses: list[float]) -> None:
    late = problem(503, "overloaded", retry_after=3600)
    service = Service(late)
    with pytest.raises(dateline_client.ServiceUnavailable) as raised:
        service.client().annotate("KYIV")
    assert raised.value.retry_after == 3600
    with pytest.raises(dateline_client.DeadlineExceeded) as exceeded:
        Service(BUSY).client(deadline=2).annotate("KYIV")
    assert isinstance(exceeded.value.__cause__, dateline_client.ServiceUnavailable)
    with pytest.raises(dateline_client.DeadlineExceeded):
        Service().client().annotate("KYIV", deadline=0)
    assert pauses == []


def test_no_wait_of_the_network_goes_beyond_the_deadline() -> None:
    service = Service()
    service.client().annotate("KYIV", deadline=2)
    timeouts = service.requests[0].extensions["timeout"]
    assert all(0 < timeouts[name] <= 2 for name in ("connect", "read", "write", "pool"))
    service.client().annotate("KYIV")
    assert service.requests[1].extensions["timeout"]["read"] == 300


def test_the_deadline_of_asyncio_ends_an_answer_that_does_not_come() -> None:
    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002
            await asyncio.Event().wait()
            raise AssertionError

    async def ask() -> None:
        async with AsyncDateline(URL, transport=Silent()) as asking:
            await asking.annotate("KYIV", deadline=0.01)

    with pytest.raises(dateline_client.DeadlineExceeded):
        asyncio.run(ask())


def test_pauses_grow_and_stay_bounded() -> None:
    retry = Retry(attempts=100, first_wait=1, longest_wait=8)
    for failures, ceiling in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (99, 8)]:
        for pause in [retry.wait(failures, None) for _ in range(20)]:
            assert pause is not None
            assert ceiling / 2 <= pause <= ceiling
    assert retry.wait(100, None) is None
    assert retry.wait(1, 8.5) is None


def test_retry_after_is_seconds_or_a_date() -> None:
    def now() -> datetime:
        return datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)

    assert retry_after(None, now) is None
    assert retry_after(" 7 ", now) == 7
    assert retry_after("Sun, 22 Nov 2026 12:01:30 GMT", now) == 90
    assert retry_after("Sun, 22 Nov 2026 12:01:30 -0000", now) == 90
    assert retry_after("Sun, 22 Nov 2026 11:00:00 GMT", now) == 0
    assert retry_after("soon", now) is None
    assert retry_after("-1", now) is None


def test_health_is_asked_once(pauses: list[float]) -> None:
    ready = {"status": "ready", "devices": [{"device": "cpu", "state": "ready"}], "models": ["m"], "new": 1}
    health = Service(httpx.Response(200, json=ready)).client().health()
    assert (health.models, health.devices[0].device) == (("m",), "cpu")
    service = Service(problem(503, "not_ready", retry_after=1))
    with pytest.raises(dateline_client.ServiceUnavailable):
        service.client().health()
    assert (len(service.requests), pauses) == (1, [])


def test_every_error_is_named_and_ours() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(dateline_client, name), dateline_client.DatelineError)
