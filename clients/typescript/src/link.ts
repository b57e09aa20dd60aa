// The way to a service: addresses, keys, attempts that take only so long, and answers that are errors.
import { DatelineError, fromProblem } from "./error.js";
import { type RetryPolicy, pauseBefore, retryAfterMs, retryPolicy } from "./retry.js";
import { Attempt, pause, reasonOf } from "./signal.js";
import type { AnnotateOptions, DatelineOptions, OffsetUnit, Problem } from "./types.js";

/** What is sent. */
export interface Sent {
  method: "GET" | "POST";
  /** Below the service's address, such as `v1/annotate`. */
  path: string;
  query?: URLSearchParams;
  contentType?: string;
  body?: string | ReadableStream<Uint8Array>;
}

/** How long a call may take, and who may end it. */
export interface Terms {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

/** As much of an error page as goes into a message. */
const EXCERPT = 200;

/** A service and what its callers agreed on. */
export class Link {
  readonly retries: RetryPolicy;
  readonly #base: URL;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeoutMs: number;

  constructor(options: DatelineOptions) {
    this.#base = new URL(options.baseUrl);
    if (!/^https?:$/.test(this.#base.protocol)) {
      throw new TypeError(`baseUrl begins with ${this.#base.protocol}; it must begin with http:// or https://`);
    }
    if (this.#base.username !== "" || this.#base.password !== "") {
      throw new TypeError("baseUrl has a name or a password in it; a key goes into apiKey");
    }
    this.#base.search = "";
    this.#base.hash = "";
    this.#base.pathname = this.#base.pathname.replace(/\/*$/, "/");
    this.#headers = options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };
    try {
      new Headers(this.#headers);
    } catch {
      // Without the cause: its message quotes the key.
      throw new TypeError("apiKey has a character that no HTTP header can hold");
    }
    const given = options.fetch;
    this.#fetch = given ? (input, init) => given(input, init) : (input, init) => globalThis.fetch(input, init);
    this.#timeoutMs = checkedTimeout(options.timeoutMs ?? 300_000);
    this.retries = retryPolicy(options.retries);
  }

  /** How long one attempt of a call may take. */
  timeout(terms: Terms): number {
    return checkedTimeout(terms.timeoutMs ?? this.#timeoutMs);
  }

  /** A JSON answer, tried again as the policy says; `check` makes of it what it must be or throws. */
  async json<T>(sent: Sent, terms: Terms, check: (answer: unknown) => T, policy = this.retries): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.#once(sent, terms, check);
      } catch (error) {
        const ms = error instanceof DatelineError ? pauseBefore(policy, error, failures) : undefined;
        if (ms === undefined) {
          throw error;
        }
        await pause(ms, terms.signal);
      }
    }
  }

  async #once<T>(sent: Sent, terms: Terms, check: (answer: unknown) => T): Promise<T> {
    const attempt = new Attempt(terms.signal);
    const ms = this.timeout(terms);
    attempt.setClock(ms);
    try {
      const response = await this.open(sent, attempt);
      const text = await response.text();
      return check(parsed(text, this.address(sent)));
    } catch (error) {
      throw told(error, attempt, this.address(sent), ms);
    } finally {
      attempt.end();
    }
  }

  /** Where a request goes, for messages: without the query, which may say what is looked for. */
  address(sent: Sent): string {
    return new URL(sent.path, this.#base).href;
  }

  /** The head of an answer that is no error; the body is still to be read, under the same attempt. */
  async open(sent: Sent, attempt: Attempt): Promise<Response> {
    if (attempt.signal.aborted) {
      throw reasonOf(attempt.signal);
    }
    const url = new URL(sent.path, this.#base);
    url.search = sent.query?.toString() ?? "";
    const headers: Record<string, string> = { accept: "application/json, application/x-ndjson", ...this.#headers };
    // `duplex` is what the standard wants beside a body that streams; not all declarations know it.
    const init: RequestInit & { duplex?: "half" } = { method: sent.method, headers, signal: attempt.signal };
    if (sent.body !== undefined) {
      headers["content-type"] = sent.contentType ?? "application/json";
      init.body = sent.body;
      if (typeof sent.body !== "string") {
        init.duplex = "half";
      }
    }
    const response = await this.#fetch(url.href, init);
    if (!response.ok) {
      throw await refusal(response, this.address(sent));
    }
    return response;
  }
}

/** The options that go into a query. */
export function query(options: AnnotateOptions): URLSearchParams {
  const query = new URLSearchParams({ offsets: offsetsOf(options) });
  if (options.minScore !== undefined) {
    query.set("min_score", String(options.minScore));
  }
  if (options.labels !== undefined) {
    query.set("labels", options.labels.join(","));
  }
  if (options.model !== undefined) {
    query.set("model", options.model);
  }
  return query;
}

/** The unit that a caller counts in. */
export function offsetsOf(options: AnnotateOptions): OffsetUnit {
  return options.offsets ?? "utf16";
}

/** The JSON value of an answer. */
export function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const said = `${where} answered what is not JSON: ${excerpt(text)}`;
    throw new DatelineError("bad_answer", said, { cause });
  }
}

/** What went wrong, as callers are to see it. */
export function told(error: unknown, attempt: Attempt, where: string, timeoutMs: number): unknown {
  if (attempt.unwanted) {
    return reasonOf(attempt.signal);
  }
  if (attempt.late) {
    const said = `${where} did not answer within ${timeoutMs} ms`;
    return new DatelineError("no_answer_in_time", said, { cause: error });
  }
  if (error instanceof DatelineError) {
    return error;
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new DatelineError("unreachable", `the connection to ${where} failed: ${reason}`, { cause: error });
}

/** The error that an answer with an error's status is. */
async function refusal(response: Response, where: string): Promise<DatelineError> {
  const facts = {
    status: response.status,
    requestId: response.headers.get("x-request-id") ?? undefined,
    retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
  };
  const body = await response.text();
  if (/^application\/problem\+json\b/i.test(response.headers.get("content-type") ?? "")) {
    const problem = objectOf(body);
    if (problem) {
      return fromProblem(problem, facts);
    }
  }
  return new DatelineError("http_error", `${where} answered ${response.status}: ${excerpt(body)}`, facts);
}

/** The object that a text is, if it is one. */
function objectOf(text: string): Partial<Problem> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a JSON value is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line === "" ? "nothing" : line.length > EXCERPT ? `${line.slice(0, EXCERPT)}…` : line;
}

function checkedTimeout(ms: number): number {
  if (Number.isNaN(ms) || ms <= 0) {
    throw new RangeError(`timeoutMs is ${ms}; it must be more than 0, or Infinity for none`);
  }
  return ms;
}
