"""What the service says when something is wrong: a problem detail as in RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What was wrong, where, and what to do.

    Programs go by `code` (or `status`), people by `detail`. A proxy between you and the service may answer without a
    problem detail; then `code` is empty, and `detail` is the beginning of what the proxy said.
    """

    type: str
    """The code as a URI."""
    title: str
    """The kind of problem, for people."""
    status: int
    """The HTTP status."""
    code: str
    """The kind of problem, for programs: the table is in docs/http.md."""
    detail: str
    """What was wrong this time, and what to do."""
    field: str | None = None
    """The field of the body, or the option, that is at fault."""
    line: int | None = None
    """The line of the body at fault, from 1."""
    column: int | None = None
    """The column of that line, from 1, in characters."""
    request_id: str | None = None
    """What the service's log calls the request: what to tell the operator."""
    errors: tuple[Mapping[str, object], ...] = ()
    """Details of several faults at once, where a gateway in front of the service sends them (RFC 9457, section 3)."""

    def __str__(self) -> str:
        parts = [f"{self.status} {self.code or self.title}: {self.detail}"]
        parts += [f"{name} {value}" for name, value in (("line", self.line), ("column", self.column)) if value]
        if self.request_id:
            parts.append(f"request {self.request_id}")
        return ", ".join(parts)

    @classmethod
    def read(cls, fields: Mapping[str, object], *, status: int, request_id: str | None = None) -> Problem:
        """Reads a problem detail. Nothing in it is required: half a problem is better than none."""

        def text(name: str) -> str:
            value = fields.get(name)
            return value if isinstance(value, str) else ""

        def count(name: str) -> int | None:
            value = fields.get(name)
            return value if isinstance(value, int) and not isinstance(value, bool) else None

        errors = fields.get("errors")
        return cls(
            type=text("type") or "about:blank",
            title=text("title"),
            status=count("status") or status,
            code=text("code"),
            detail=text("detail") or text("title") or f"the service answered {status}",
            field=text("field") or None,
            line=count("line"),
            column=count("column"),
            request_id=text("request_id") or request_id,
            errors=tuple(entry for entry in errors if isinstance(entry, dict)) if isinstance(errors, list) else (),
        )
