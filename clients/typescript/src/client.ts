// The client: what can be asked of a service.
import { annotation, bad, batchAnnotation } from "./answer.js";
import { DatelineError } from "./error.js";
import { Link, type Sent, type Terms, isObject, offsetsOf, query } from "./link.js";
import { retryPolicy } from "./retry.js";
import { stream } from "./stream.js";
import type {
  AnnotateOptions,
  Annotation,
  BatchAnnotation,
  DatelineOptions,
  DeviceState,
  Document,
  Health,
  Model,
  Result,
  StreamOptions,
} from "./types.js";

const NEVER_AGAIN = retryPolicy(0);

/** A client of a Dateline service. It holds no connection and may be shared. */
export class Dateline {
  readonly #link: Link;

  /** @throws TypeError, RangeError if an option has a value that cannot be used */
  constructor(options: DatelineOptions) {
    this.#link = new Link(options);
  }

  /**
   * The mentions of one text; `text.slice(start, end)` is each.
   * @throws DatelineError, or your signal's reason
   */
  async annotate(text: string, options: AnnotateOptions = {}): Promise<Annotation> {
    const offsets = offsetsOf(options);
    return this.#link.json(post(options, { text }), options, (answer) => annotation(answer, offsets));
  }

  /**
   * The mentions of many texts in one request, as many as the service allows (10,000 documents and 32 MiB unless its
   * operator says otherwise). `results` has one for each document, in order; look at `ok`.
   * @throws DatelineError if the batch failed as a whole, or your signal's reason
   */
  async annotateBatch<D extends Document>(
    documents: readonly D[],
    options: AnnotateOptions = {},
  ): Promise<BatchAnnotation<D>> {
    const offsets = offsetsOf(options);
    const sent = post(options, { documents: documents.map(({ id, text }) => ({ id, text })) });
    return this.#link.json(sent, options, (answer) => batchAnnotation(answer, offsets, documents));
  }

  /**
   * The results of any number of documents, in their order, while the source is still being read. Memory does not grow
   * with the stream. A broken connection is opened anew and goes on where the answers stopped.
   * @throws DatelineError if the stream cannot go on, what the source throws, or your signal's reason
   */
  stream<D extends Document>(
    source: AsyncIterable<D> | Iterable<D>,
    options: StreamOptions = {},
  ): AsyncGenerator<Result<D>, void, undefined> {
    return stream(this.#link, source, options);
  }

  /** The models of the service, the default one first. */
  async models(options: Terms = {}): Promise<Model[]> {
    const sent: Sent = { method: "GET", path: "v1/models" };
    return this.#link.json(sent, options, (answer) => {
      if (!isObject(answer) || !Array.isArray(answer["models"])) {
        throw bad("it has no list of models");
      }
      return answer["models"] as Model[];
    });
  }

  /** Whether the service can annotate now. Asked once, without a second try. Throws if there is no Dateline at all. */
  async health(options: Terms = {}): Promise<Health> {
    const sent: Sent = { method: "GET", path: "health/ready" };
    try {
      return await this.#link.json(sent, options, ready, NEVER_AGAIN);
    } catch (error) {
      if (error instanceof DatelineError && error.status === 503) {
        return { ready: false, error };
      }
      throw error;
    }
  }
}

function post(options: AnnotateOptions, body: object): Sent {
  return { method: "POST", path: "v1/annotate", query: query(options), body: JSON.stringify(body) };
}

function ready(answer: unknown): Health {
  if (!isObject(answer) || !Array.isArray(answer["models"]) || !Array.isArray(answer["devices"])) {
    throw bad("it does not say what is ready");
  }
  return { ready: true, models: answer["models"] as string[], devices: answer["devices"] as DeviceState[] };
}
