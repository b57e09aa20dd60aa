// The documents of a stream on their way: read from their source one by one, kept until they are answered, and sent
// again where a connection broke before their answer came. So none is lost, and none is answered twice.
import { orAborted } from "./signal.js";
import type { Document } from "./types.js";

/** A document that waits for its answer. */
export interface Entry<D> {
  index: number;
  document: D;
  /** The line that carries it, in UTF-16 units; about its bytes. */
  size: number;
}

/** How much may be on its way at once. One document may always be, however long it is. */
export interface Share {
  documents: number;
  size: number;
}

/** The source came to its end, or failed. */
type Pulled<D> =
  { done: false; document: D } | { done: true; failed: false } | { done: true; failed: true; why: unknown };

/** Who sends at present; one whose connection broke gets nothing more. */
export type Sender = symbol;

export class Outbox<D extends Document> {
  readonly #iterator: AsyncIterator<D> | Iterator<D>;
  readonly #signal: AbortSignal | undefined;
  #pulled: Promise<Pulled<D>> | undefined;
  /** Whether the source was asked for a document and has not answered. */
  #asked = false;
  #ended = false;
  #count = 0;
  /** Those that were read and not answered; the first `#sent` of them went out on the present connection. */
  #waiting: Entry<D>[] = [];
  #sent = 0;
  #sentSize = 0;
  #sender: Sender | undefined;
  #room: () => void = () => undefined;
  /** When the first of those that wait for an answer on the present connection was sent, or the last one answered. */
  #since = Date.now();

  constructor(source: AsyncIterable<D> | Iterable<D>, signal: AbortSignal | undefined) {
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#signal = signal;
  }

  /** How many wait for an answer on the present connection. */
  get sent(): number {
    return this.#sent;
  }

  /** How long the first of them has waited, in milliseconds; 0 if none does. */
  get waitedMs(): number {
    return this.#sent === 0 ? 0 : Date.now() - this.#since;
  }

  /**
   * Waits until there is something to send; false at the end.
   * @throws what the source threw, once all that it gave before is answered
   */
  async hasMore(): Promise<boolean> {
    if (this.#waiting.length > 0) {
      return true;
    }
    const pulled = await orAborted(this.#peek(), this.#signal);
    if (pulled.done && pulled.failed) {
      throw pulled.why;
    }
    return !pulled.done;
  }

  /** A new connection: what waits is to be sent once more. */
  open(): Sender {
    this.#sender = Symbol("connection");
    this.#sent = 0;
    this.#sentSize = 0;
    this.#room();
    return this.#sender;
  }

  /** The next one to send, when there is one and room for it; nothing at the end, or once another connection sends. */
  async next(sender: Sender, share: Share): Promise<Entry<D> | undefined> {
    while (this.#sender === sender && !this.#fits(share)) {
      await new Promise<void>((resolve) => (this.#room = resolve));
    }
    if (this.#sender === sender && this.#sent === this.#waiting.length) {
      const pulled = await this.#peek();
      if (this.#sender === sender) {
        this.#take(pulled);
      }
    }
    return this.#send(sender);
  }

  /** As many as fit at once: those that are there, without waiting longer than `lingerMs` for any but the first. */
  async batch(sender: Sender, share: Share, lingerMs: number): Promise<Entry<D>[]> {
    const first = await orAborted(this.next(sender, share), this.#signal);
    const batch = first ? [first] : [];
    while (batch.length > 0 && this.#fits(share)) {
      if (this.#sent === this.#waiting.length) {
        const pulled = await withinMs(this.#peek(), lingerMs);
        if (pulled === undefined) {
          break;
        }
        this.#take(pulled);
      }
      const entry = this.#send(sender);
      if (!entry) {
        break;
      }
      batch.push(entry);
    }
    return batch;
  }

  /** The one whose answer is next on the present connection. */
  first(): Entry<D> | undefined {
    return this.#sent > 0 ? this.#waiting[0] : undefined;
  }

  /** The first one is answered. */
  answered(): void {
    const entry = this.#waiting.shift();
    this.#sent -= 1;
    this.#sentSize -= entry?.size ?? 0;
    this.#since = Date.now();
    this.#room();
  }

  /** Nothing more is wanted of the source. */
  async close(): Promise<void> {
    this.#sender = undefined;
    this.#room();
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    const closed = this.#iterator.return?.();
    if (this.#asked) {
      // A source that is still being waited for may never come to its end; what it throws then concerns nobody.
      void Promise.resolve(closed).catch(() => undefined);
    } else {
      await closed;
    }
  }

  #fits(share: Share): boolean {
    return this.#sent === 0 || (this.#sent < share.documents && this.#sentSize < share.size);
  }

  /** What the source gives next. It is asked once for each, however many wait. */
  #peek(): Promise<Pulled<D>> {
    this.#pulled ??= this.#pull();
    return this.#pulled;
  }

  async #pull(): Promise<Pulled<D>> {
    this.#asked = true;
    try {
      const next = await this.#iterator.next();
      this.#ended = next.done === true;
      return next.done === true ? { done: true, failed: false } : { done: false, document: next.value };
    } catch (why) {
      this.#ended = true;
      return { done: true, failed: true, why };
    } finally {
      this.#asked = false;
    }
  }

  #take(pulled: Pulled<D>): void {
    if (!pulled.done) {
      this.#pulled = undefined;
      const { document } = pulled;
      this.#waiting.push({ index: this.#count, document, size: line(document).length });
      this.#count += 1;
    }
  }

  #send(sender: Sender): Entry<D> | undefined {
    const entry = this.#waiting[this.#sent];
    if (this.#sender !== sender || !entry) {
      return undefined;
    }
    if (this.#sent === 0) {
      this.#since = Date.now();
    }
    this.#sent += 1;
    this.#sentSize += entry.size;
    return entry;
  }
}

/** The line of a stream that carries a document. */
export function line(document: Document): string {
  return `${JSON.stringify({ id: document.id, text: document.text })}\n`;
}

async function withinMs<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => {
        resolve(undefined);
      }, ms);
    });
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
