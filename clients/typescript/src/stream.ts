// Documents in, results out, in order, over one connection or over several. A connection that breaks is opened anew
// and takes up where the answers stopped; pauses between attempts start over with every answer that came.
import { bad, checkId, found } from "./answer.js";
import { DatelineError, fromProblem } from "./error.js";
import { BrokenOff, lines } from "./lines.js";
import { type Link, type Sent, isObject, offsetsOf, parsed, query, told } from "./link.js";
import { Outbox, type Sender, type Share, line as lineOf } from "./outbox.js";
import { pauseBefore } from "./retry.js";
import { Attempt, pause } from "./signal.js";
import type { Document, Result, StreamOptions, StreamTransport } from "./types.js";

/** What may be on its way in one connection that goes both ways. */
const DUPLEX: Share = { documents: 4_096, size: 8 << 20 };
/** What goes into one request where bodies cannot be streamed. */
const BATCH: Share = { documents: 256, size: 1 << 20 };
/** How long a batch that is not full waits for a next document. */
const LINGER_MS = 20;
/** Problems of the connection and not of the line they stand in. */
const OF_THE_CONNECTION: ReadonlySet<unknown> = new Set(["timeout", "body_broken"]);

/** The results of the documents of `source`. */
export async function* stream<D extends Document>(
  link: Link,
  source: AsyncIterable<D> | Iterable<D>,
  options: StreamOptions,
): AsyncGenerator<Result<D>, void, undefined> {
  const duplex = goesBothWays(options.transport ?? "auto");
  const outbox = new Outbox(source, options.signal);
  let failures = 0;
  try {
    while (await outbox.hasMore()) {
      try {
        for await (const result of exchange(link, outbox, options, duplex)) {
          failures = 0;
          yield result;
        }
      } catch (error) {
        const ms = error instanceof DatelineError ? pauseBefore(link.retries, error, failures) : undefined;
        if (ms === undefined) {
          throw error;
        }
        failures += 1;
        await pause(ms, options.signal);
      }
    }
  } finally {
    await outbox.close();
  }
}

/** One request and its answers. */
async function* exchange<D extends Document>(
  link: Link,
  outbox: Outbox<D>,
  options: StreamOptions,
  duplex: boolean,
): AsyncGenerator<Result<D>, void, undefined> {
  const sender = outbox.open();
  const body = duplex ? streamed(outbox, sender) : await batched(outbox, sender);
  const sent: Sent = {
    method: "POST",
    path: "v1/annotate",
    query: query(options),
    contentType: "application/x-ndjson",
    body,
  };
  const attempt = new Attempt(options.signal);
  const ms = link.timeout(options);
  // While nothing is sent nothing can be answered, so a slow source is not a slow service.
  const watch = (): void => {
    attempt.setClock(ms, () => ms - outbox.waitedMs);
  };
  let number = 0;
  try {
    watch();
    const response = await link.open(sent, attempt);
    if (response.headers.get("dateline-offsets") !== offsetsOf(options) || !response.body) {
      throw bad(`it is not a stream that counts in ${offsetsOf(options)}`);
    }
    for await (const line of lines(response.body)) {
      attempt.stopClock();
      const answer = parsed(line, link.address(sent));
      const result = resultOf(answer, number + 1, outbox);
      if (result === undefined) {
        break;
      }
      number += 1;
      outbox.answered();
      yield result;
      watch();
    }
  } catch (error) {
    throw told(error instanceof BrokenOff ? unfinished(outbox, error) : error, attempt, link.address(sent), ms);
  } finally {
    attempt.end();
  }
  // One that ends while nothing waits was silent for long: the next document opens another.
  if (outbox.sent > 0) {
    throw unfinished(outbox);
  }
}

/** What a line says of the document it answers; nothing if it says that the stream ends here. */
function resultOf<D extends Document>(answer: unknown, number: number, outbox: Outbox<D>): Result<D> | undefined {
  if (!isObject(answer)) {
    throw bad("a line of it is no object");
  }
  const { error } = answer;
  if (isObject(error) && OF_THE_CONNECTION.has(error["code"])) {
    return undefined;
  }
  const entry = outbox.first();
  if (!entry) {
    throw isObject(error) ? fromProblem(error) : bad("it has more lines than were sent");
  }
  const { index, document } = entry;
  if (isObject(error)) {
    if (answer["line"] !== number) {
      throw bad(`line ${number} is answered by that of line ${JSON.stringify(answer["line"])}`);
    }
    return { ok: false, index, document, error: fromProblem(error) };
  }
  checkId(document, answer);
  return { ok: true, index, document, ...found(answer) };
}

/** A body that is sent as it is read, as fast as the answers come. */
function streamed<D extends Document>(outbox: Outbox<D>, sender: Sender): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const entry = await outbox.next(sender, DUPLEX);
      if (entry) {
        controller.enqueue(encoder.encode(lineOf(entry.document)));
      } else {
        controller.close();
      }
    },
  });
}

async function batched<D extends Document>(outbox: Outbox<D>, sender: Sender): Promise<string> {
  const batch = await outbox.batch(sender, BATCH, LINGER_MS);
  return batch.map((entry) => lineOf(entry.document)).join("");
}

function unfinished<D extends Document>(outbox: Outbox<D>, cause?: unknown): DatelineError {
  const first = outbox.first()?.index;
  const where = first === undefined ? "" : ` before document ${first} was answered`;
  return new DatelineError("unreachable", `the stream ended${where}`, { cause });
}

/** Whether a request's body can be sent while its answer is read. */
function goesBothWays(transport: StreamTransport): boolean {
  if (transport !== "auto") {
    return transport === "duplex";
  }
  // Node, Deno and Bun say that they are Node. A page may say so, too (Electron), but its fetch is the browser's.
  const here = globalThis as {
    process?: { versions?: { node?: unknown } };
    document?: unknown;
    WorkerGlobalScope?: unknown;
  };
  const node = typeof here.process?.versions?.node === "string";
  return node && here.document === undefined && here.WorkerGlobalScope === undefined;
}
