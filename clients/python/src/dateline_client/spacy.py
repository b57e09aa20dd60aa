"""The spaCy component `dateline`: a Dateline service fills `doc.ents` and `doc.spans["dateline"]`.

    nlp = spacy.blank("en")
    nlp.add_pipe("dateline", config={"url": "http://127.0.0.1:8080"})

A mention is an exact slice of the text; a spaCy span is made of whole tokens. Where both differ, `alignment_mode` says
what is done. The default, `expand`, takes in every token that the mention touches: nothing is lost, and a span may have
some characters more than the mention. The mentions as they are stand in `doc._.dateline`.
"""

# No `from __future__ import annotations` here: spaCy reads the types of a factory's settings at run time.
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

try:
    from spacy.language import Language
    from spacy.tokens import Doc, Span, SpanGroup
    from spacy.util import raise_error
except ImportError as error:
    raise ImportError("the component needs spaCy: pip install 'dateline-client[spacy]'") from error

from dateline_client.client import Dateline
from dateline_client.errors import DatelineError, DocumentFailed
from dateline_client.models import Annotation, Failure
from dateline_client.retry import Retry

__all__ = ["DatelineComponent", "make_component"]

Alignment = Literal["expand", "contract", "strict"]
ErrorHandler = Callable[[str, Any, list[Doc], Exception], Any]

MOST_CHARACTERS = 2_000_000
"""Characters of the texts in one request; one text may be longer. The service takes 32 MiB of JSON."""


@Language.factory(
    "dateline",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type", "doc._.dateline", "span._.dateline_score"],
    default_config={
        "url": None,
        "api_key_env": "DATELINE_API_KEY",
        "model": None,
        "labels": None,
        "min_score": 0.0,
        "label_map": {},
        "alignment_mode": "expand",
        "overwrite_ents": False,
        "spans_key": "dateline",
        "timeout": 300.0,
        "attempts": 5,
    },
)
def make_component(
    nlp: Language,  # noqa: ARG001 - spaCy passes it
    name: str,
    url: str | None,
    api_key_env: str,
    model: str | None,
    labels: list[str] | None,
    min_score: float,
    label_map: dict[str, str],
    alignment_mode: Alignment,
    overwrite_ents: bool,
    spans_key: str,
    timeout: float,
    attempts: int,
) -> "DatelineComponent":
    """Makes the component from its settings, which docs/integrations/spacy.md explains."""
    return DatelineComponent(
        name,
        url=url,
        api_key_env=api_key_env,
        model=model,
        labels=labels,
        min_score=min_score,
        label_map=label_map,
        alignment_mode=alignment_mode,
        overwrite_ents=overwrite_ents,
        spans_key=spans_key,
        timeout=timeout,
        attempts=attempts,
    )


class DatelineComponent:
    """Sends documents to a Dateline service and writes down what it finds."""

    def __init__(
        self,
        name: str = "dateline",
        *,
        url: str | None = None,
        api_key_env: str = "DATELINE_API_KEY",
        model: str | None = None,
        labels: Sequence[str] | None = None,
        min_score: float = 0.0,
        label_map: dict[str, str] | None = None,
        alignment_mode: Alignment = "expand",
        overwrite_ents: bool = False,
        spans_key: str = "dateline",
        timeout: float = 300.0,
        attempts: int = 5,
    ) -> None:
        """The settings are those of the factory; nothing is sent yet."""
        self.name = name
        self.url = url
        self.api_key_env = api_key_env
        self.model = model
        self.labels_wanted = None if labels is None else tuple(labels)
        self.min_score = min_score
        self.label_map = dict(label_map or {})
        self.alignment_mode: Alignment = alignment_mode
        self.overwrite_ents = overwrite_ents
        self.spans_key = spans_key
        self.timeout = timeout
        self.attempts = attempts
        self._client: Dateline | None = None
        self._process = 0
        self._handle: ErrorHandler = raise_error
        _register()

    def __call__(self, doc: Doc) -> Doc:
        """Annotates one document."""
        for result in self._ask([doc]):
            if isinstance(result, Failure):
                raise DocumentFailed(result)
            self._write(doc, result)
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Annotates documents, a request for so many of them, and passes them on in their order.

        What cannot be annotated goes to the error handler, as with every component: by default it raises.
        """
        for docs in _batches(stream, batch_size):
            try:
                results = self._ask(docs)
            except DatelineError as error:
                self._handle(self.name, self, docs, error)
                continue
            for doc, result in zip(docs, results, strict=True):
                if isinstance(result, Failure):
                    self._handle(self.name, self, [doc], DocumentFailed(result))
                else:
                    self._write(doc, result)
                    yield doc

    def set_error_handler(self, error_handler: ErrorHandler) -> None:
        """What is done with documents that cannot be annotated; see `nlp.set_error_handler`."""
        self._handle = error_handler

    def get_error_handler(self) -> ErrorHandler:
        """What is done with documents that cannot be annotated."""
        return self._handle

    def __getstate__(self) -> dict[str, Any]:
        # Connections stay with their process.
        return {**self.__dict__, "_client": None}

    def _ask(self, docs: Sequence[Doc]) -> list[Annotation | Failure]:
        # A process that was forked from another has the other's connections, which it must not use.
        if self._client is None or self._process != os.getpid():
            self._client = Dateline(
                self.url,
                api_key=os.environ.get(self.api_key_env, ""),
                timeout=self.timeout,
                retry=Retry(attempts=self.attempts),
            )
            self._process = os.getpid()
            # Nobody closes a component; its connections end with it.
            weakref.finalize(self, self._client.close)
        return self._client.annotate_batch(
            [doc.text for doc in docs], min_score=self.min_score, labels=self.labels_wanted, model=self.model
        )

    def _write(self, doc: Doc, annotation: Annotation) -> None:
        found: list[tuple[Span, float]] = []
        for mention in annotation.mentions:
            label = self.label_map.get(mention.label, mention.label)
            span = doc.char_span(mention.start, mention.end, label=label, alignment_mode=self.alignment_mode)
            if span is not None:
                span._.dateline_score = mention.score
                found.append((span, mention.score))
        group = SpanGroup(doc, name=self.spans_key, spans=[span for span, _ in found])
        group.attrs["scores"] = [score for _, score in found]
        doc.spans[self.spans_key] = group
        doc.ents = self._ents(doc, found)
        doc._.dateline = {
            "model": annotation.model,
            "mentions": [
                {"start": m.start, "end": m.end, "label": m.label, "text": m.text, "score": m.score}
                for m in annotation.mentions
            ],
            "entities": [
                {
                    "label": e.label,
                    "name": e.name,
                    "mentions": list(e.mentions),
                    "count": e.count,
                    "score": e.score,
                    "relevance": e.relevance,
                }
                for e in annotation.entities
            ],
        }

    def _ents(self, doc: Doc, found: Iterable[tuple[Span, float]]) -> list[Span]:
        """What goes into `doc.ents`, where no token is in two spans.

        Mentions never overlap, but two of them may share a token once they are aligned: the one with the higher score
        stays. Entities of other components stay, too, unless they are to be overwritten.
        """
        kept = [] if self.overwrite_ents else list(doc.ents)
        taken = {index for span in kept for index in range(span.start, span.end)}
        for span, _ in sorted(found, key=lambda pair: -pair[1]):
            tokens = range(span.start, span.end)
            if taken.isdisjoint(tokens):
                kept.append(span)
                taken.update(tokens)
        return sorted(kept, key=lambda span: span.start)


def _batches(stream: Iterable[Doc], most: int) -> Iterator[list[Doc]]:
    """Documents by the request: so many, or as many as have so many characters."""
    batch: list[Doc] = []
    characters = 0
    for doc in stream:
        if batch and (len(batch) >= most or characters + len(doc.text) > MOST_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(doc)
        characters += len(doc.text)
    if batch:
        yield batch


def _register() -> None:
    """Names what the component writes beside spaCy's own attributes."""
    if not Span.has_extension("dateline_score"):
        Span.set_extension("dateline_score", default=None)
    if not Doc.has_extension("dateline"):
        Doc.set_extension("dateline", default=None)
