"""The client against the service's own description, docs/openapi.json: the same names and types, the same required.

A difference that is meant is named here, with its reason. Anything else that changes on either side fails a test.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import dateline_client
from dateline_client import _flight, _wire, errors, models, problem
from dateline_client._settings import Options

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"

Json = dict[str, Any]

JSON_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}

# Fields that only the client has, and why.
OURS = {
    "Annotation": {
        "index": "which of the documents it is, which the order of the service's answers says",
    },
    "Failure": {"text": "the client knows it"},
    "Problem": {"errors": "what gateways send, not this service (RFC 9457, section 3)"},
}
# Fields that the client has in any case though the service need not send them, and why.
ALWAYS = {"Annotation": {"text": "the client knows it"}}
# Options that the client does not offer, and why.
NOT_OFFERED = {
    "include_text": "the client knows the text: every annotation has it",
    "entities": "they cost the service next to nothing, and nobody has to look at them",
}


@pytest.fixture(scope="module")
def document() -> Json:
    if not DOCUMENT.exists():
        pytest.skip("docs/openapi.json is not beside this package: it is compared in the project's own checkout")
    loaded: Json = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def schemas(document: Json) -> Json:
    loaded: Json = document["components"]["schemas"]
    return loaded


def described(schema: Json, schemas: Json) -> object:
    """The Python type that a schema describes."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        named = {"DocumentId": models.DocumentId, "Mention": models.Mention, "Model": models.Model}
        named |= {"DeviceState": models.Device, "Entity": models.Entity, "EntityRecord": models.Entity}
        if name in named:
            return named[name]
        return described(schemas[name], schemas)
    if schema.get("enum") == list(typing.get_args(models.OffsetUnit)):
        return models.OffsetUnit
    if schema["type"] == "array":
        return tuple[described(schema["items"], schemas), ...]  # type: ignore[misc]
    return JSON_TYPES[schema["type"]]


def without_none(kind: object) -> object:
    """`kind` of a field that may be missing. An id is as the service describes it, with null."""
    if kind == models.DocumentId:
        return kind
    rest = [one for one in typing.get_args(kind) if one is not type(None)]
    return rest[0] if len(rest) == 1 and type(None) in typing.get_args(kind) else kind


def compare(ours: type, schema: Json, schemas: Json, *, service_only: Mapping[str, str] | None = None) -> None:
    """Holds a dataclass to a schema."""
    types = typing.get_type_hints(ours)
    fields = {field.name: field for field in dataclasses.fields(ours)}
    only_ours = set(OURS.get(ours.__name__, {}))
    properties = {name: one for name, one in schema["properties"].items() if name not in (service_only or {})}
    # The service is about to send these; until its description has them the client is ready for them.
    if "entities" not in properties:
        only_ours |= {"entities"} & set(fields)
    assert set(fields) - only_ours == set(properties), f"{ours.__name__}: the fields differ"
    for name, described_by in properties.items():
        kind = without_none(types[name])
        assert kind == described(described_by, schemas), f"{ours.__name__}.{name} is {kind}"
        field = fields[name]
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        required = name in schema["required"] or name in ALWAYS.get(ours.__name__, {})
        assert required == (not has_default), f"{ours.__name__}.{name} is required on one side only"


def merged(schemas: Json, *names: str) -> Json:
    """A schema with the fields of several."""
    return {
        "properties": {key: one for name in names for key, one in schemas[name]["properties"].items()},
        "required": [key for name in names for key in schemas[name]["required"]],
    }


def test_answers_are_as_described(schemas: Json) -> None:
    compare(models.Mention, schemas["Mention"], schemas)
    compare(models.Annotation, schemas["OneAnswer"], schemas)
    compare(models.Failure, schemas["DocumentError"], schemas)
    compare(models.Model, schemas["Model"], schemas)
    compare(models.Device, schemas["DeviceState"], schemas)
    compare(models.Health, schemas["Ready"], schemas)
    compare(problem.Problem, schemas["Problem"], schemas)


def test_a_document_of_many_and_a_line_say_the_same(schemas: Json) -> None:
    one = set(schemas["OneAnswer"]["properties"])
    assert set(schemas["AnnotatedDocument"]["properties"]) == one - {"model", "offsets"}
    assert set(schemas["AnnotatedLine"]["properties"]) == one - {"model", "offsets", "text"}
    assert set(schemas["ManyAnswer"]["properties"]) == {"model", "offsets", "documents", "errors"}
    assert set(schemas["LineError"]["properties"]) == {"line", "id", "error"}
    assert set(schemas["Models"]["properties"]) == {"models"}


def test_entities_are_as_described_once_they_are(schemas: Json) -> None:
    described_here = schemas["OneAnswer"]["properties"].get("entities")
    if described_here is not None:
        entity = schemas[described_here["items"]["$ref"].rpartition("/")[2]]
        compare(models.Entity, entity, schemas)
    expected = ["label", "name", "mentions", "count", "score", "relevance"]
    assert [field.name for field in dataclasses.fields(models.Entity)] == expected


@pytest.mark.parametrize(("schema", "method"), [("AnnotateOne", "annotate"), ("AnnotateMany", "annotate_batch")])
@pytest.mark.parametrize("client", [dateline_client.Dateline, dateline_client.AsyncDateline])
def test_options_are_as_described(schemas: Json, schema: str, method: str, client: type) -> None:
    properties = set(schemas[schema]["properties"])
    offered = set(inspect.signature(getattr(client, method)).parameters) - {"self", "deadline"}
    assert offered == properties - set(NOT_OFFERED)


def test_options_have_the_described_types(schemas: Json) -> None:
    kinds = typing.get_type_hints(Options)
    for schema in ("AnnotateOne", "AnnotateMany"):
        for name in (field.name for field in dataclasses.fields(Options)):
            assert name not in schemas[schema]["required"]
            assert without_none(kinds[name]) == described(schemas[schema]["properties"][name], schemas), name
    defaults = {field.name: field.default for field in dataclasses.fields(Options)}
    assert defaults == {"offsets": "codepoint", "min_score": None, "labels": None, "model": None}
    assert "`codepoint`, unless asked otherwise" in schemas["OffsetUnit"]["description"]


def test_a_stream_has_the_described_options(document: Json) -> None:
    parameters = document["components"]["parameters"]
    refs = [one["$ref"].rpartition("/")[2] for one in document["paths"]["/v1/annotate"]["post"]["parameters"]]
    queried = {name for name in refs if parameters[name]["in"] == "query"}
    assert queried - set(NOT_OFFERED) == {field.name for field in dataclasses.fields(Options)}
    assert parameters["labels"]["explode"] is False
    offered = set(inspect.signature(dateline_client.Dateline.stream).parameters) - {"self", "documents"}
    assert offered == queried - set(NOT_OFFERED)


def test_documents_are_as_described(schemas: Json) -> None:
    compare(models.Document, schemas["Document"], schemas)
    compare(models.Document, schemas["DocumentLine"], schemas)
    assert typing.get_args(models.DocumentId) == (str, int, float, type(None))
    assert schemas["DocumentId"]["type"] == ["string", "number", "null"]


def test_every_problem_is_an_error_of_its_own(schemas: Json) -> None:
    table = {
        code: int(status)
        for status, code in re.findall(r"\| (\d{3}) \| `(\w+)` \|", schemas["ProblemCode"]["description"])
    }
    assert set(table) == set(schemas["ProblemCode"]["enum"])
    missing = {code: status for code, status in table.items() if status not in errors.BY_STATUS}
    assert not missing
    assert set(_flight.PASSING) <= set(table)


def test_the_paths_and_headers_are_as_described(document: Json) -> None:
    for path, method in ((_wire.ANNOTATE, "post"), (_wire.MODELS, "get"), (_wire.READY, "get")):
        assert method in document["paths"][path]
    answer = document["paths"]["/v1/annotate"]["post"]["responses"]["200"]
    assert {"dateline-model", "dateline-offsets"} <= set(answer["headers"])
    assert _wire.JSON["Content-Type"] in answer["content"]
    assert _wire.LINES["Content-Type"] in answer["content"]
    assert "bearer" in document["components"]["securitySchemes"]
