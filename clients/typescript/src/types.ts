// What goes to the service and what comes back. Types of the wire come from the service's OpenAPI document (`api.ts`);
// what is added here is what this client makes of them.
import type { components } from "./api.js";
import type { DatelineError } from "./error.js";
import type { RetryOptions } from "./retry.js";

type Schemas = components["schemas"];

/** What `start` and `end` count. In JavaScript `utf16` is the unit of `text.slice(start, end)`. */
export type OffsetUnit = Schemas["OffsetUnit"];
/** Your own name of a document: a string or a number. */
export type DocumentId = Schemas["DocumentId"];
/** A stretch of the text that names something. `score` is the probability that span and label are right. */
export type Mention = Schemas["Mention"];
/** A model of the service. */
export type Model = Schemas["Model"];
/** A device of the service, and whether texts run on it. */
export type DeviceState = Schemas["DeviceState"];
/** A problem detail (RFC 9457), as the service sends it. */
export type Problem = Schemas["Problem"];
/** What the service calls everything that can be wrong. Codes may be added. */
export type ProblemCode = Schemas["ProblemCode"];

/** One person, place, unit or weapon of a text, and where it is mentioned. */
export interface Entity {
  /** What it is, one of the model's labels. */
  label: string;
  /** Its name: words of the text. */
  name: string;
  /** Its mentions, as ascending indices into `mentions` of the same answer. */
  mentions: number[];
  /** How many mentions these are. */
  count: number;
  /** The best score of its mentions. */
  score: number;
  /** How much the text is about it, from 0 to 1. */
  relevance: number;
}

/** A text to annotate. Documents of your own with more fields are welcome; only `id` and `text` are sent. */
export interface Document {
  id?: DocumentId | undefined;
  text: string;
}

/** What a request may choose. */
export interface AnnotateOptions {
  /** The unit of `start` and `end`; `utf16` unless told otherwise, so that `text.slice(start, end)` is the mention. */
  offsets?: OffsetUnit | undefined;
  /** Leaves out mentions that the model is less sure of, from 0 to 1. */
  minScore?: number | undefined;
  /** Keeps mentions of these labels only. */
  labels?: readonly string[] | undefined;
  /** The model that reads the text; the service's default without it. */
  model?: string | undefined;
  /** Ends the call. It rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Instead of the client's `timeoutMs`. */
  timeoutMs?: number | undefined;
}

/** How a stream travels. */
export type StreamTransport = "auto" | "duplex" | "batches";

/** What a stream may choose. */
export interface StreamOptions extends AnnotateOptions {
  /**
   * `duplex`: one request whose body is sent while its answer is read. Node, Deno and Bun can, browsers cannot.
   * `batches`: one request after the other, of a few hundred documents each; works everywhere.
   * `auto`: `duplex` where this runtime is known to do it, else `batches`.
   */
  transport?: StreamTransport | undefined;
}

/** What was found in a text. */
export interface Found {
  /** What the text names, in its order; mentions never overlap. */
  mentions: Mention[];
  /** The mentions, grouped by who or what they speak of, from services that do that. */
  entities?: Entity[];
}

/** The answer to one text. */
export interface Annotation extends Found {
  /** The model that read the text. */
  model: string;
  /** The unit of `start` and `end`. */
  offsets: OffsetUnit;
}

/** A document of a batch or a stream that was annotated. */
export interface Annotated<D> extends Found {
  ok: true;
  /** Which document it is, from 0. */
  index: number;
  /** The document, as you gave it. */
  document: D;
}

/** A document of a batch or a stream that could not be annotated. Those beside it were. */
export interface Failed<D> {
  ok: false;
  /** Which document it is, from 0. */
  index: number;
  /** The document, as you gave it. */
  document: D;
  /** What was wrong with it. */
  error: DatelineError;
}

/** What became of a document. Each has exactly one. */
export type Result<D> = Annotated<D> | Failed<D>;

/** The answer to many texts. */
export interface BatchAnnotation<D> {
  /** The model that read the texts. */
  model: string;
  /** The unit of `start` and `end`. */
  offsets: OffsetUnit;
  /** One for each document, in the order in which they were given. */
  results: Result<D>[];
}

/** Whether the service can annotate. */
export type Health = { ready: true; models: string[]; devices: DeviceState[] } | { ready: false; error: DatelineError };

/** What a client is made of. */
export interface DatelineOptions {
  /** Where the service is, such as `https://ner.example`; a path in it is kept. */
  baseUrl: string | URL;
  /** The key, if the service wants one. */
  apiKey?: string | undefined;
  /** Another `fetch`, for proxies, logs or tests. */
  fetch?: typeof globalThis.fetch | undefined;
  /** How long one attempt may take, in milliseconds; in a stream how long an answer may be awaited. 300,000 by default. */
  timeoutMs?: number | undefined;
  /** How often a call is tried again after 429, 502, 503 or a broken connection; 4 by default, 0 for never. */
  retries?: number | RetryOptions | undefined;
}
