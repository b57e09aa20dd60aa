"""What goes over the wire: bodies of requests, and answers as values or errors. The same for both clients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast, get_args

import httpx

from dateline_client import _read
from dateline_client._settings import Options
from dateline_client.errors import UnexpectedAnswer, of_problem
from dateline_client.models import (
    Annotation,
    Document,
    DocumentId,
    Entity,
    Failure,
    Health,
    Mention,
    Model,
    OffsetUnit,
    Result,
)
from dateline_client.problem import Problem
from dateline_client.retry import retry_after

ANNOTATE = "/v1/annotate"
MODELS = "/v1/models"
READY = "/health/ready"
JSON = {"Content-Type": "application/json", "Accept": "application/json"}
# Packed answers could hold lines back.
LINES = {"Content-Type": "application/x-ndjson", "Accept": "application/x-ndjson", "Accept-Encoding": "identity"}


def documents_of(documents: Iterable[str | Document]) -> list[Document]:
    """The documents that a caller gave, each of which may be a bare text."""
    if isinstance(documents, str):
        raise TypeError("documents is one text; give a list of texts, or call annotate")
    return [document_of(document) for document in documents]


def document_of(document: str | Document) -> Document:
    """The document that a caller gave, which may be a bare text."""
    if isinstance(document, Document):
        return document
    if isinstance(document, str):
        return Document(document)
    raise TypeError(f"a document is a text or a dateline_client.Document, not {type(document).__name__}")


def one_body(document: Document, options: Options) -> bytes:
    """The body that asks for one document."""
    return _encode({**_fields(document), **options.fields()})


def many_body(documents: Sequence[Document], options: Options) -> bytes:
    """The body that asks for many documents."""
    return _encode({"documents": [_fields(document) for document in documents], **options.fields()})


def line(document: Document) -> bytes:
    """The line of a stream that asks for a document."""
    return _encode(_fields(document)) + b"\n"


def _fields(document: Document) -> dict[str, object]:
    return {"text": document.text} if document.id is None else {"id": document.id, "text": document.text}


def _encode(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8. Escaped, the service refuses the document that has it and no other.
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def raise_for_problem(response: httpx.Response) -> None:
    """Raises what is wrong with a request whose answer, read whole, is not 200."""
    if response.status_code == 200:
        return
    fields: Mapping[str, object] = {}
    if "json" in response.headers.get("Content-Type", ""):
        try:
            fields = _read.parse(response.content, "the error")
        except UnexpectedAnswer:
            fields = {}
    if not fields:
        # Something between us and the service answers for it.
        said = response.text.strip()[:200]
        place = f" to {response.headers['Location']}" if "Location" in response.headers else ""
        fields = {"title": response.reason_phrase, "detail": f"{response.reason_phrase}{place}: {said}".rstrip(": ")}
    problem = Problem.read(fields, status=response.status_code, request_id=response.headers.get("X-Request-Id"))
    raise of_problem(problem, retry_after(response.headers.get("Retry-After")))


def fields_of(response: httpx.Response) -> Mapping[str, object]:
    """The JSON object that an answer is, or the error."""
    raise_for_problem(response)
    return _read.parse(response.content, f"the answer of {response.request.url.path}")


def read_one(response: httpx.Response, document: Document) -> Annotation:
    """The annotation that answers for one document."""
    fields = fields_of(response)
    return annotation(fields, document, 0, _read.string(fields, "model"), unit(fields.get("offsets")))


def read_many(response: httpx.Response, documents: Sequence[Document]) -> list[Result]:
    """A result for each of the documents: the service tells annotations and errors apart, we join them in order."""
    fields = fields_of(response)
    model, offsets = _read.string(fields, "model"), unit(fields.get("offsets"))
    annotated = _read.objects(fields, "documents", lambda entry: entry)
    failed = {_read.integer(entry, "index"): entry for entry in _read.objects(fields, "errors", lambda entry: entry)}
    if len(annotated) + len(failed) != len(documents) or any(not 0 <= index < len(documents) for index in failed):
        raise UnexpectedAnswer(
            f"{len(documents)} documents were sent, but {len(annotated)} annotations and {len(failed)} errors came back"
        )
    rest = iter(annotated)
    return [
        failure(failed[index], document, index)
        if index in failed
        else annotation(next(rest), document, index, model, offsets)
        for index, document in enumerate(documents)
    ]


def read_models(response: httpx.Response) -> tuple[Model, ...]:
    """The models of the service."""
    return _read.objects(fields_of(response), "models", Model.read)


def read_health(response: httpx.Response) -> Health:
    """A service that is ready."""
    return Health.read(fields_of(response))


def annotation(
    fields: Mapping[str, object], document: Document, index: int, model: str, offsets: OffsetUnit
) -> Annotation:
    """What the service says of a document."""
    _same_id(fields, document, index)
    entities = _read.objects(fields, "entities", Entity.read) if fields.get("entities") is not None else ()
    mentions = _read.objects(fields, "mentions", Mention.read)
    if any(not 0 <= place < len(mentions) for entity in entities for place in entity.mentions):
        raise UnexpectedAnswer(f"document {index}: an entity has a mention that is not among the {len(mentions)}")
    return Annotation(
        model=model,
        offsets=offsets,
        mentions=mentions,
        text=document.text,
        id=document.id,
        entities=entities,
        index=index,
    )


def failure(fields: Mapping[str, object], document: Document, index: int) -> Failure:
    """What was wrong with a document."""
    return Failure(
        index=index,
        code=_read.string(fields, "code"),
        detail=_read.string(fields, "detail"),
        text=document.text,
        id=document.id,
        field=_read.optional(fields, "field", _read.string),
        line=_read.optional(fields, "line", _read.integer),
        column=_read.optional(fields, "column", _read.integer),
    )


def line_problem(fields: Mapping[str, object]) -> Problem | None:
    """The problem that stands in a line of a stream instead of mentions, if there is one."""
    if "error" not in fields or "mentions" in fields:
        return None
    return Problem.read(_read.mapping(fields["error"], "the error of a line"), status=500)


def unit(value: object) -> OffsetUnit:
    """The offset unit that the service named."""
    if value not in get_args(OffsetUnit):
        raise UnexpectedAnswer(f"the service counts offsets in {value!r}, which this client does not know")
    return cast("OffsetUnit", value)


def _same_id(fields: Mapping[str, object], document: Document, index: int) -> None:
    came: DocumentId | object = fields.get("id")
    if came != document.id:
        raise UnexpectedAnswer(f"document {index} has the id {document.id!r}, but the answer is for {came!r}")
