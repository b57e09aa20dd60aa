// What answers must look like. A proxy's page, or a service that counts in another unit, must not pass for mentions.
import { DatelineError, fromProblem } from "./error.js";
import { isObject } from "./link.js";
import type { Annotation, BatchAnnotation, Document, Entity, Found, Mention, OffsetUnit, Result } from "./types.js";

/** Mentions and, if there are any, entities. */
export function found(answer: Record<string, unknown>): Found {
  if (!Array.isArray(answer["mentions"])) {
    throw bad("it has no list of mentions");
  }
  const mentions = answer["mentions"] as Mention[];
  return Array.isArray(answer["entities"]) ? { mentions, entities: answer["entities"] as Entity[] } : { mentions };
}

/** The answer to one text. */
export function annotation(answer: unknown, offsets: OffsetUnit): Annotation {
  const head = headOf(answer, offsets);
  return { ...head, ...found(answer as Record<string, unknown>) };
}

/** The answer to a batch: every document finds its own, those that failed too. */
export function batchAnnotation<D extends Document>(
  answer: unknown,
  offsets: OffsetUnit,
  documents: readonly D[],
): BatchAnnotation<D> {
  const head = headOf(answer, offsets);
  const { documents: annotated, errors } = answer as Record<string, unknown>;
  if (!Array.isArray(annotated) || !Array.isArray(errors)) {
    throw bad("it has no lists of documents and errors");
  }
  if (annotated.length + errors.length !== documents.length) {
    throw bad(`${documents.length} documents were sent, and ${annotated.length + errors.length} are answered`);
  }
  const failed = new Map(errors.filter(isObject).map((error) => [error["index"], error]));
  const rest = annotated.values();
  const results = documents.map((document, index): Result<D> => {
    const error = failed.get(index);
    if (error) {
      return { ok: false, index, document, error: fromProblem(error) };
    }
    const next: unknown = rest.next().value;
    if (!isObject(next)) {
      throw bad(`document ${index} is not answered`);
    }
    checkId(document, next);
    return { ok: true, index, document, ...found(next) };
  });
  return { ...head, results };
}

/** @throws DatelineError if this is the answer to another document */
export function checkId(document: Document, answer: Record<string, unknown>): void {
  // As JSON: that is how they went, and a number that is none (NaN) goes as null.
  const [sent, came] = [document.id ?? null, answer["id"] ?? null].map((id) => JSON.stringify(id));
  if (sent !== came) {
    throw bad(`the document with the id ${sent} got the answer of ${came}`);
  }
}

/** An answer that is none. */
export function bad(reason: string): DatelineError {
  return new DatelineError("bad_answer", `this is no answer of Dateline: ${reason}`);
}

function headOf(answer: unknown, offsets: OffsetUnit): { model: string; offsets: OffsetUnit } {
  if (!isObject(answer) || typeof answer["model"] !== "string") {
    throw bad("it names no model");
  }
  if (answer["offsets"] !== offsets) {
    throw bad(`it counts in ${JSON.stringify(answer["offsets"])}, and ${offsets} was asked for`);
  }
  return { model: answer["model"], offsets };
}
