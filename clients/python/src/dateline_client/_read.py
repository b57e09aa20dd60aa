"""Reads values out of JSON whose shape another program promised, and says where one does not keep to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from dateline_client.errors import UnexpectedAnswer

T = TypeVar("T")


def parse(body: bytes, what: str) -> Mapping[str, object]:
    """The JSON object in `body`; `what` says in an error what was read."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UnexpectedAnswer(f"{what} is not JSON: {error}; it begins with {body[:80]!r}") from error
    return mapping(value, what)


def mapping(value: object, what: str) -> Mapping[str, object]:
    """`value`, which has to be an object."""
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"{what} is {value!r:.80}, not an object")
    return value


def string(fields: Mapping[str, object], name: str) -> str:
    """The text that `name` has to be."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise _wrong(fields, name, "a string")
    return value


def integer(fields: Mapping[str, object], name: str) -> int:
    """The whole number that `name` has to be."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(fields, name, "a whole number")
    return value


def number(fields: Mapping[str, object], name: str) -> float:
    """The number that `name` has to be."""
    value = fields.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong(fields, name, "a number")
    return float(value)


def boolean(fields: Mapping[str, object], name: str) -> bool:
    """The truth that `name` has to be."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise _wrong(fields, name, "true or false")
    return value


def objects(fields: Mapping[str, object], name: str, read: Callable[[Mapping[str, object]], T]) -> tuple[T, ...]:
    """The objects in the list that `name` has to be."""
    return tuple(read(mapping(value, f"an entry of `{name}`")) for value in _list(fields, name))


def strings(fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The texts in the list that `name` has to be."""
    values = tuple(value for value in _list(fields, name) if isinstance(value, str))
    if len(values) != len(_list(fields, name)):
        raise _wrong(fields, name, "a list of strings")
    return values


def integers(fields: Mapping[str, object], name: str) -> tuple[int, ...]:
    """The whole numbers in the list that `name` has to be."""
    values = tuple(value for value in _list(fields, name) if isinstance(value, int) and not isinstance(value, bool))
    if len(values) != len(_list(fields, name)):
        raise _wrong(fields, name, "a list of whole numbers")
    return values


def optional(fields: Mapping[str, object], name: str, read: Callable[[Mapping[str, object], str], T]) -> T | None:
    """What `read` makes of `name`, if it is there."""
    return None if fields.get(name) is None else read(fields, name)


def _list(fields: Mapping[str, object], name: str) -> list[object]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise _wrong(fields, name, "a list")
    return value


def _wrong(fields: Mapping[str, object], name: str, wanted: str) -> UnexpectedAnswer:
    found = f"{fields[name]!r:.80}" if name in fields else "missing"
    return UnexpectedAnswer(f"`{name}` in the service's answer is {found}, not {wanted}")
