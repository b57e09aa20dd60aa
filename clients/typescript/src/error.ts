// The one error of this client: what went wrong, where, and whether trying again may help.
import type { Problem, ProblemCode } from "./types.js";

/**
 * What can go wrong without a word from the service.
 *
 * - `unreachable`: no connection, or it broke
 * - `no_answer_in_time`: `timeoutMs` passed
 * - `http_error`: a status without a problem detail, from a proxy for example
 * - `bad_answer`: an answer that is none of Dateline's
 */
export type ClientCode = "unreachable" | "no_answer_in_time" | "http_error" | "bad_answer";

/** A code of the service, of this client, or one that a newer service has added. */
export type DatelineErrorCode = ProblemCode | ClientCode | (string & {});

/** Codes after which the same request may succeed. */
const RETRYABLE: ReadonlySet<string> = new Set<ProblemCode | ClientCode>([
  "rate_limited",
  "overloaded",
  "draining",
  "not_ready",
  "unreachable",
]);
/** Statuses after which it may, when a proxy answered instead of the service. */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([429, 502, 503]);

/** What is known of an error besides its message. */
export interface ErrorFacts {
  status?: number | undefined;
  problem?: Partial<Problem> | undefined;
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/** Everything that this client throws, except your own signal's reason. */
export class DatelineError extends Error {
  override readonly name = "DatelineError";
  /** What was wrong, for programs. */
  readonly code: DatelineErrorCode;
  /** The HTTP status, if there was an answer. */
  readonly status: number | undefined;
  /** The service's problem detail, if there was one. */
  readonly problem: Partial<Problem> | undefined;
  /** The id under which the operator finds the request in the log. */
  readonly requestId: string | undefined;
  /** How long the service asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: DatelineErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.status = facts.status;
    this.problem = facts.problem;
    this.requestId = facts.requestId;
    this.retryAfterMs = facts.retryAfterMs;
  }

  /** The field that is at fault, if the service named one. */
  get field(): string | undefined {
    return this.problem?.field;
  }

  /** Whether the same request may succeed if it is sent again. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code) || (this.code === "http_error" && RETRYABLE_STATUS.has(this.status ?? 0));
  }
}

/** The error that a problem detail describes. */
export function fromProblem(problem: Partial<Problem>, facts: Omit<ErrorFacts, "problem"> = {}): DatelineError {
  const { code = "http_error", detail, title } = problem;
  const message = `${detail ?? title ?? "the service gave no reason"} (${code})`;
  return new DatelineError(code, message, {
    ...facts,
    problem,
    status: facts.status ?? problem.status,
    requestId: facts.requestId ?? problem.request_id,
  });
}
