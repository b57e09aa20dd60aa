// A service that is none: what a `fetch` is given and gives back, call by call.
import { Dateline, type Document, type Mention } from "../src/index.js";
import type { DatelineOptions } from "../src/types.js";

/** One call of `fetch`, as it came. */
export interface Call {
  url: URL;
  method: string | undefined;
  headers: Headers;
  body: unknown;
  signal: AbortSignal;
}

/** What answers a call. */
export type Answer = (call: Call) => Response | Promise<Response>;

/** A client of a service that gives these answers, the last one for ever, and the calls that it made. */
export function client(
  answers: Answer[],
  options: Partial<DatelineOptions> = {},
): { dateline: Dateline; calls: Call[] } {
  const calls: Call[] = [];
  const fetch = async (input: unknown, init: RequestInit = {}): Promise<Response> => {
    const { method, headers, body, signal } = init;
    if (typeof input !== "string" || !signal) {
      throw new TypeError("the client always gives an address and a signal");
    }
    const call = { url: new URL(input), method, headers: new Headers(headers), body, signal };
    calls.push(call);
    const answer = answers[Math.min(calls.length, answers.length) - 1];
    if (!answer) {
      throw new TypeError("nobody answers");
    }
    return untilAborted(Promise.resolve(answer(call)), signal);
  };
  return { dateline: new Dateline({ baseUrl: "http://ner.example", fetch, ...options }), calls };
}

/** As a real `fetch` does: what is under way ends when the signal does. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => {
        reject(signal.reason as Error);
      });
    }),
  ]);
}

/** A JSON answer. */
export function json(value: unknown, init: ResponseInit = {}): Answer {
  return () => Response.json(value, init);
}

/** A problem detail. */
export function problem(status: number, code: string, headers: Record<string, string> = {}): Answer {
  const body = { type: `urn:dateline:problem:${code}`, title: "A title", status, code, detail: `it is ${code}` };
  return () =>
    new Response(JSON.stringify(body), { status, headers: { "content-type": "application/problem+json", ...headers } });
}

/** A connection that cannot be made. */
export const refused: Answer = () => Promise.reject(new TypeError("fetch failed"));

/** Every "Kyiv" of a text. */
export function mentionsOf(text: string): Mention[] {
  return [...text.matchAll(/Kyiv/g)].map(({ index, 0: word }) => ({
    start: index,
    end: index + word.length,
    label: "PLACE",
    text: word,
    score: 0.9,
  }));
}

/** The line that answers a document. */
export function answered({ id, text }: Document): string {
  return `${JSON.stringify({ id, mentions: mentionsOf(text) })}\n`;
}

/** The line that says what is wrong with a line. */
export function failed(line: number, code: string): string {
  return `${JSON.stringify({ line, error: { status: 422, code, detail: `it is ${code}`, title: "", type: "" } })}\n`;
}

/** A stream that is answered by what `work` makes of its documents; if that throws, the connection breaks. */
export function lines(work: (documents: AsyncIterable<Document>) => AsyncIterable<string | Uint8Array>): Answer {
  return ({ body, signal }) => {
    const encoder = new TextEncoder();
    const pieces = work(documentsOf(body))[Symbol.asyncIterator]();
    const answer = new ReadableStream<Uint8Array>({
      start(controller) {
        signal.addEventListener("abort", () => {
          controller.error(signal.reason);
        });
      },
      async pull(controller) {
        const next = await pieces.next();
        if (next.done === true) {
          controller.close();
        } else {
          controller.enqueue(typeof next.value === "string" ? encoder.encode(next.value) : next.value);
        }
      },
    });
    return new Response(answer, { headers: { "dateline-offsets": "utf16", "content-type": "application/x-ndjson" } });
  };
}

async function* documentsOf(body: unknown): AsyncGenerator<Document> {
  let rest = "";
  const decoder = new TextDecoder();
  const whole = typeof body === "string" ? new Blob([body]).stream() : body;
  for await (const piece of whole as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(piece, { stream: true });
    const ended = rest.split("\n");
    rest = ended.pop() ?? "";
    for (const line of ended) {
      yield JSON.parse(line) as Document;
    }
  }
}

/** A source that has what was pushed into it, when it was pushed. It never ends by itself. */
export function mailbox<T>(): { push: (value: T) => void; source: AsyncGenerator<T> } {
  const values: T[] = [];
  let wake: () => void = () => undefined;
  async function* source(): AsyncGenerator<T> {
    for (;;) {
      while (values.length > 0) {
        yield values.shift() as T;
      }
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const push = (value: T): void => {
    values.push(value);
    wake();
  };
  return { push, source: source() };
}

/** All that an iterable gives. */
export async function all<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of iterable) {
    values.push(value);
  }
  return values;
}
