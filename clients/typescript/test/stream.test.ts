// Streams: order, nothing lost and nothing twice, whatever becomes of connections, sources and those who read.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DatelineError, type Document, type Result, type StreamTransport } from "../src/index.js";
import { type Answer, all, answered, client, failed, lines, mailbox, problem, refused } from "./fake.js";

const QUICK = { retries: { limit: 3, baseMs: 0, maxMs: 0 } };

function documents(count: number): Document[] {
  return Array.from({ length: count }, (_, id) => ({ id, text: `🚀 ${id} ${"Kyiv ".repeat(id % 4)}` }));
}

/** Answers everything. */
const fine: Answer = lines(async function* (sent) {
  for await (const document of sent) {
    yield answered(document);
  }
});

/** Every document has its own result, in order, with mentions that are slices of its text. */
function expectWhole(results: Result<Document>[], given: readonly Document[]): void {
  expect(results.map(({ index }) => index)).toEqual(given.map((_, index) => index));
  for (const result of results) {
    expect(result.document).toBe(given[result.index]);
    const found = result.ok ? result.mentions.map(({ start, end }) => result.document.text.slice(start, end)) : [];
    expect(found).toEqual(Array.from({ length: result.index % 4 }, () => "Kyiv"));
  }
}

describe.each(["duplex", "batches"] satisfies StreamTransport[])("a stream by %s", (transport) => {
  const stream = (answers: Answer[], given: AsyncIterable<Document> | Iterable<Document>, more = {}) => {
    const { dateline, calls } = client(answers, QUICK);
    return { results: dateline.stream(given, { transport, ...more }), calls };
  };

  test("answers every document once, in order", async () => {
    const given = documents(1_000);
    const { results, calls } = stream([fine], given);
    expectWhole(await all(results), given);
    expect(calls).toHaveLength(transport === "duplex" ? 1 : Math.ceil(given.length / 256));
    expect(calls[0]?.headers.get("content-type")).toBe("application/x-ndjson");
    expect(calls[0]?.url.href).toBe("http://ner.example/v1/annotate?offsets=utf16");
  });

  test("of nothing asks nothing", async () => {
    const { results, calls } = stream([fine], []);
    expect(await all(results)).toEqual([]);
    expect(calls).toHaveLength(0);
  });

  test("reads answers however they are cut", async () => {
    const given = documents(9);
    for (const size of [1, 2, 3, 5, 7, 64]) {
      const cut = lines(async function* (sent) {
        for await (const document of sent) {
          const bytes = new TextEncoder().encode(
            answered({ ...document, text: document.text }).replace("{", '{"note":"🚀",'),
          );
          for (let at = 0; at < bytes.length; at += size) {
            yield bytes.slice(at, at + size);
          }
        }
      });
      expectWhole(await all(stream([cut], given).results), given);
    }
  });

  test("tells of a bad document in its place, and of the others", async () => {
    const given = documents(5);
    const some = lines(async function* (sent) {
      let number = 0;
      for await (const document of sent) {
        number += 1;
        yield number === 2 || number === 5 ? failed(number, "missing_field") : answered(document);
      }
    });
    const results = await all(stream([some], given).results);
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true, true, false]);
    expect(results[4]).toMatchObject({ index: 4, error: { code: "missing_field", status: 422 } });
    expect(results[4]?.document).toBe(given[4]);
  });

  test("that breaks off half-way goes on where the answers stopped", async () => {
    const given = documents(20);
    const firstIds: unknown[] = [];
    const endings: ((line: string) => AsyncGenerator<string>)[] = [
      // In a line, and the connection with it; in a line, but as if all were well; between lines, as if all were well.
      async function* (line) {
        yield await Promise.resolve(line.slice(0, 10));
        throw new TypeError("terminated");
      },
      async function* (line) {
        yield await Promise.resolve(line.slice(0, -1));
      },
      async function* () {
        yield await Promise.resolve("");
      },
      async function* () {
        yield await Promise.resolve(failed(4, "timeout"));
      },
    ];
    const breaking = endings.map((ending) =>
      lines(async function* (sent) {
        let answers = 0;
        for await (const document of sent) {
          if (answers === 0) {
            firstIds.push(document.id);
          }
          if (answers === 3) {
            yield* ending(answered(document));
            return;
          }
          answers += 1;
          yield answered(document);
        }
      }),
    );
    const { results, calls } = stream([...breaking, fine], given);
    expectWhole(await all(results), given);
    expect(firstIds).toEqual([0, 3, 6, 9]);
    expect(calls).toHaveLength(5);
  });

  test("that never gets on ends, after so many attempts", async () => {
    const torn = lines(async function* (sent) {
      for await (const document of sent) {
        yield answered(document).slice(0, 5);
        throw new TypeError("terminated");
      }
    });
    const empty = lines(async function* () {
      yield await Promise.resolve("");
    });
    for (const [answer, code] of [
      [torn, "unreachable"],
      [refused, "unreachable"],
      [problem(503, "overloaded"), "overloaded"],
      [empty, "unreachable"],
    ] satisfies [Answer, string][]) {
      const { results, calls } = stream([answer], documents(3));
      await expect(all(results)).rejects.toMatchObject({ name: "DatelineError", code });
      expect(calls).toHaveLength(4);
    }
  });

  test("is not tried again without a reason to", async () => {
    const { results, calls } = stream([problem(401, "unauthorized")], documents(3));
    await expect(all(results)).rejects.toMatchObject({ code: "unauthorized", status: 401 });
    expect(calls).toHaveLength(1);
  });

  test("refuses the answer to another document, and more answers than documents", async () => {
    for (const [line, says] of [
      [answered({ id: 7, text: "" }), /the id 0 got the answer of 7/],
      [failed(3, "missing_field"), /line 1 is answered by that of line 3/],
      ["[]\n", /no object/],
      ['{"id":0}\n', /no list of mentions/],
      [answered({ id: 0, text: "" }).repeat(2), /more lines than were sent/],
    ] satisfies [string, RegExp][]) {
      const wrong = lines(async function* (sent) {
        for await (const { text } of sent) {
          yield text === "" ? "" : line;
        }
      });
      await expect(all(stream([wrong], documents(1)).results)).rejects.toThrow(says);
    }
    const plain: Answer = () => new Response("", { headers: { "dateline-offsets": "codepoint" } });
    await expect(all(stream([plain], documents(1)).results)).rejects.toThrow(/counts in utf16/);
  });

  test("of a source that fails answers what came before", async () => {
    const given = documents(3);
    const failure = new Error("the archive is gone");
    async function* source(): AsyncGenerator<Document> {
      yield* given;
      await Promise.reject(failure);
    }
    const seen: Result<Document>[] = [];
    const read = async (): Promise<void> => {
      for await (const result of stream([fine], source()).results) {
        seen.push(result);
      }
    };
    await expect(read()).rejects.toBe(failure);
    expectWhole(seen, given);
  });

  test("that nobody reads any more closes its source and its request", async () => {
    let closed = false;
    function* source(): Generator<Document> {
      try {
        for (let id = 0; ; id += 1) {
          yield { id, text: "" };
        }
      } finally {
        closed = true;
      }
    }
    const { results, calls } = stream([fine], source());
    for await (const { index } of results) {
      if (index === 300) {
        break;
      }
    }
    expect(closed).toBe(true);
    expect(calls.at(-1)?.signal.aborted).toBe(true);
  });

  test("ends when its signal says so, also while the source has nothing", async () => {
    const reason = new Error("the page was closed");
    const controller = new AbortController();
    async function* source(): AsyncGenerator<Document> {
      yield { text: "" };
      await new Promise(() => undefined);
    }
    const { results } = stream([fine], source(), { signal: controller.signal });
    expect((await results.next()).value).toMatchObject({ index: 0, ok: true });
    const next = results.next();
    controller.abort(reason);
    await expect(next).rejects.toBe(reason);
  });

  test("gives each answer at once, however long the next document takes", async () => {
    const { push, source } = mailbox<Document>();
    const { results, calls } = stream([fine], source);
    for (let index = 0; index < 5; index += 1) {
      push({ id: index, text: "" });
      expect((await results.next()).value).toMatchObject({ index, ok: true });
    }
    await results.return();
    expect(calls.at(-1)?.signal.aborted).toBe(true);
  });

  test("opens a new connection for what comes after a long silence", async () => {
    const silent: Answer = lines(async function* (sent) {
      for await (const document of sent) {
        yield answered(document);
        yield failed(2, "timeout");
        return;
      }
    });
    // In batches all documents of the first request would be unanswered: there the source has to be slow.
    async function* source(): AsyncGenerator<Document> {
      for (const document of given) {
        yield document;
        await seen(document);
      }
    }
    const given = documents(3);
    const waiting = new Map<Document, () => void>();
    const seen = (document: Document): Promise<void> => new Promise((resolve) => waiting.set(document, resolve));
    const { results, calls } = stream([silent], source());
    const whole: Result<Document>[] = [];
    for await (const result of results) {
      whole.push(result);
      setImmediate(() => waiting.get(result.document)?.());
    }
    expectWhole(whole, given);
    expect(calls).toHaveLength(3);
  });
});

test("batches hold no more than 256 documents or about a MiB", async () => {
  const bodies: number[] = [];
  const counting: Answer = (call) => {
    bodies.push((call.body as string).split("\n").length - 1);
    return fine(call);
  };
  const { dateline } = client([counting]);
  const long = Array.from({ length: 5 }, (_, id) => ({ id, text: "x".repeat(400_000) }));
  const results = await all(dateline.stream([...documents(600), ...long], { transport: "batches" }));
  expect(results.every(({ ok }) => ok)).toBe(true);
  expect(bodies).toEqual([256, 256, 91, 2]);
});

test("a document that comes after its connection broke goes out once", async () => {
  const breaking = lines(async function* (sent) {
    const kept: Document[] = [];
    for await (const document of sent) {
      kept.push(document);
      if (kept.length === 2) {
        yield answered({ ...document, id: 0 });
        throw new TypeError("terminated");
      }
    }
  });
  const { dateline, calls } = client([breaking, fine], QUICK);
  const { push, source } = mailbox<Document>();
  const results = dateline.stream(source, { transport: "duplex" });
  push({ id: 0, text: "" });
  push({ id: 1, text: "" });
  expect((await results.next()).value).toMatchObject({ index: 0, ok: true });
  // Now the first connection waits for the third document, and so does the second, once the second one is answered.
  expect((await results.next()).value).toMatchObject({ index: 1, ok: true });
  push({ id: 2, text: "" });
  push({ id: 3, text: "" });
  expect((await results.next()).value).toMatchObject({ index: 2, document: { id: 2 }, ok: true });
  expect((await results.next()).value).toMatchObject({ index: 3, document: { id: 3 }, ok: true });
  await results.return();
  expect(calls).toHaveLength(2);
});

test("a duplex stream has only so much on its way", async () => {
  let read = 0;
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const slow = lines(async function* (sent) {
    const kept: Document[] = [];
    for await (const document of sent) {
      kept.push(document);
      if (kept.length === 4_096) {
        await released;
      }
      if (kept.length >= 4_096) {
        yield kept.splice(0).map(answered).join("");
      }
    }
    yield kept.map(answered).join("");
  });
  function* source(): Generator<Document> {
    for (const document of documents(10_000)) {
      read += 1;
      yield document;
    }
  }
  const { dateline } = client([slow]);
  const results = dateline.stream(source(), { transport: "duplex" });
  const first = results.next();
  await vi.waitFor(() => {
    expect(read).toBe(4_096);
  });
  release();
  expect((await first).value).toMatchObject({ index: 0 });
  expect((await all(results)).length).toBe(9_999);
});

test("`auto` goes both ways here, and not in a page", async () => {
  const { dateline, calls } = client([fine]);
  await all(dateline.stream(documents(1)));
  expect(calls[0]?.body).toBeInstanceOf(ReadableStream);
  vi.stubGlobal("document", {});
  await all(dateline.stream(documents(1)));
  expect(typeof calls[1]?.body).toBe("string");
});

describe("the clock of a stream", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("runs out when the service is silent", async () => {
    const silent = lines(async function* (sent) {
      for await (const document of sent) {
        yield answered(document);
        await new Promise(() => undefined);
      }
    });
    const { dateline, calls } = client([silent], { timeoutMs: 5_000 });
    const results = dateline.stream(documents(2), { transport: "duplex" });
    expect((await results.next()).value).toMatchObject({ index: 0 });
    const second = results.next().catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(calls[0]?.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await second).toBeInstanceOf(DatelineError);
    expect(await second).toMatchObject({ code: "no_answer_in_time" });
    expect(calls).toHaveLength(1);
  });

  test("lets a service that broke off have a rest", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const short = lines(async function* (sent) {
      for await (const document of sent) {
        yield answered(document);
        return;
      }
    });
    const { dateline, calls } = client([short, fine], { retries: { baseMs: 1_000 } });
    const results = all(dateline.stream(documents(5)));
    await vi.advanceTimersByTimeAsync(999);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expectWhole(
      await results,
      (await results).map(({ document }) => document),
    );
    expect(calls).toHaveLength(2);
  });

  test.each([
    [60_000, 0],
    [0, 90_000],
    [60_000, 90_000],
  ])("does not run while the source takes %d ms, or who reads %d ms", async (giving, reading) => {
    async function* source(): AsyncGenerator<Document> {
      for (const document of documents(4)) {
        yield document;
        await new Promise((resolve) => setTimeout(resolve, giving));
      }
    }
    const { dateline, calls } = client([fine], { timeoutMs: 5_000 });
    const outcome = (async () => {
      const results: Result<Document>[] = [];
      for await (const result of dateline.stream(source(), { transport: "duplex" })) {
        results.push(result);
        await new Promise((resolve) => setTimeout(resolve, reading));
      }
      return results;
    })();
    await vi.advanceTimersByTimeAsync(1_000_000);
    expectWhole(
      await outcome,
      (await outcome).map(({ document }) => document),
    );
    expect(await outcome).toHaveLength(4);
    expect(calls).toHaveLength(1);
  });
});
