// Calls that are not streams: what is sent, what comes back, what is tried again, and what every error says.
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import { Dateline, DatelineError } from "../src/index.js";
import type { components } from "../src/api.js";
import type { Annotation, Entity, Result } from "../src/types.js";
import { type Answer, client, json, mentionsOf, problem, refused } from "./fake.js";

const TEXT = "🚀 Kyiv";
const HEAD = { model: "m", offsets: "utf16" };
const FINE = json({ ...HEAD, mentions: mentionsOf(TEXT) });

async function errorOf(promise: Promise<unknown>): Promise<DatelineError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DatelineError);
  return error as DatelineError;
}

describe("annotate", () => {
  test("counts as JavaScript does", async () => {
    const { dateline, calls } = client([FINE]);
    const { mentions, model, offsets } = await dateline.annotate(TEXT);
    expect(mentions.map(({ start, end }) => TEXT.slice(start, end))).toEqual(["Kyiv"]);
    expect({ model, offsets }).toEqual(HEAD);
    expect(calls[0]?.url.search).toBe("?offsets=utf16");
    expect(JSON.parse(calls[0]?.body as string)).toEqual({ text: TEXT });
  });

  test("sends its options, its key, and keeps a path of the service's address", async () => {
    const { dateline, calls } = client([json({ ...HEAD, offsets: "byte", mentions: [] })], {
      baseUrl: "https://desk.example/ner",
      apiKey: "dl_x",
    });
    await dateline.annotate("", { offsets: "byte", minScore: 0.5, labels: ["UNIT", "PLACE"], model: "m" });
    expect(calls[0]?.url.href).toBe(
      "https://desk.example/ner/v1/annotate?offsets=byte&min_score=0.5&labels=UNIT%2CPLACE&model=m",
    );
    expect(calls[0]?.headers.get("authorization")).toBe("Bearer dl_x");
    expect(calls[0]?.headers.get("content-type")).toBe("application/json");
  });

  test("passes entities on, and leaves them out where there are none", async () => {
    const entity: Entity = { label: "PLACE", name: "Kyiv", mentions: [0], count: 1, score: 0.9, relevance: 1 };
    const { dateline } = client([json({ ...HEAD, mentions: mentionsOf(TEXT), entities: [entity] }), FINE]);
    expect((await dateline.annotate(TEXT)).entities).toEqual([entity]);
    expect(await dateline.annotate(TEXT)).not.toHaveProperty("entities");
  });

  test("refuses what is no answer, or counts otherwise", async () => {
    for (const [answer, says] of [
      [() => new Response("<html>a page</html>"), /not JSON: <html>a page/],
      [json([]), /names no model/],
      [json(HEAD), /no list of mentions/],
      [json({ ...HEAD, offsets: "codepoint", mentions: [] }), /"codepoint", and utf16/],
    ] satisfies [Answer, RegExp][]) {
      const { dateline, calls } = client([answer]);
      const error = await errorOf(dateline.annotate(TEXT));
      expect(error.code).toBe("bad_answer");
      expect(error.message).toMatch(says);
      expect(calls).toHaveLength(1);
    }
  });
});

describe("annotateBatch", () => {
  const documents = ["none", "Kyiv", "none", "Kyiv Kyiv", "none"].map((text, id) => ({ id, text, mine: text.length }));
  const wrong = [0, 2, 4].map((index) => ({ index, id: index, code: "invalid_field", detail: "bad", field: "text" }));
  const right = [1, 3].map((id) => ({ id, mentions: mentionsOf(documents[id]?.text ?? "") }));

  test("has one result for each document, errors in their places", async () => {
    const { dateline, calls } = client([json({ ...HEAD, documents: right, errors: wrong })]);
    const { results } = await dateline.annotateBatch(documents);
    expect(results.map(({ ok, index, document }) => [ok, index, document === documents[index]])).toEqual(
      documents.map((_, index) => [index % 2 === 1, index, true]),
    );
    expect(results.map((result) => (result.ok ? result.mentions.length : result.error.field))).toEqual([
      "text",
      1,
      "text",
      2,
      "text",
    ]);
    expect(JSON.parse(calls[0]?.body as string)).toEqual({
      documents: documents.map(({ id, text }) => ({ id, text })),
    });
  });

  test("never loses a document", async () => {
    for (const [answer, says] of [
      [{ ...HEAD, documents: right, errors: [] }, /5 documents were sent, and 2 are answered/],
      [
        { ...HEAD, documents: right, errors: wrong.map((error) => ({ ...error, index: 0 })) },
        /not answered|got the answer/,
      ],
      [{ ...HEAD, documents: [...right].reverse(), errors: wrong }, /the id 1 got the answer of 3/],
      [{ ...HEAD, documents: right }, /no lists/],
    ] satisfies [unknown, RegExp][]) {
      const { dateline } = client([json(answer)]);
      const error = await errorOf(dateline.annotateBatch(documents));
      expect(error.code).toBe("bad_answer");
      expect(error.message).toMatch(says);
    }
  });
});

describe("errors", () => {
  test("say what the service said", async () => {
    const body = {
      type: "urn:dateline:problem:unknown_field",
      title: "Unknown field",
      status: 422,
      code: "unknown_field",
    };
    const more = { detail: "unknown field `txet`", field: "txet", line: 1, column: 7, request_id: "r1" };
    const { dateline, calls } = client([
      () =>
        new Response(JSON.stringify({ ...body, ...more }), {
          status: 422,
          headers: { "content-type": "application/problem+json; charset=utf-8" },
        }),
    ]);
    const error = await errorOf(dateline.annotate(TEXT));
    expect(error).toMatchObject({
      code: "unknown_field",
      status: 422,
      field: "txet",
      requestId: "r1",
      retryable: false,
    });
    expect(error.problem).toEqual({ ...body, ...more });
    expect(error.message).toBe("unknown field `txet` (unknown_field)");
    expect(calls).toHaveLength(1);
  });

  test("of a proxy are told with their status and a piece of the page", async () => {
    const page = `<h1>Gateway</h1>${"x".repeat(5_000)}`;
    const { dateline } = client([() => new Response(page, { status: 504, headers: { "x-request-id": "p1" } })]);
    const error = await errorOf(dateline.annotate(TEXT));
    expect(error).toMatchObject({ code: "http_error", status: 504, requestId: "p1" });
    expect(error.message).toMatch(/v1\/annotate answered 504: <h1>Gateway<\/h1>x+…$/);
    expect(error.message.length).toBeLessThan(300);
  });

  test("of a problem detail that is none are told all the same", async () => {
    const { dateline } = client([
      () => new Response("{", { status: 400, headers: { "content-type": "application/problem+json" } }),
    ]);
    expect(await errorOf(dateline.annotate(TEXT))).toMatchObject({ code: "http_error", status: 400 });
  });

  test("in options are found before anything is sent, and quote no key", () => {
    const made = (options: object) => () => new Dateline({ baseUrl: "http://ner.example", ...options });
    expect(made({ baseUrl: "ner" })).toThrow(TypeError);
    expect(made({ baseUrl: "file:///ner" })).toThrow(/must begin with http/);
    expect(made({ baseUrl: "http://me:secret@ner.example" })).toThrow(/apiKey/);
    expect(made({ timeoutMs: 0 })).toThrow(/timeoutMs is 0/);
    expect(made({ retries: -1 })).toThrow(/limit is -1/);
    expect(made({ apiKey: "dl_ключ" })).toThrow(/no HTTP header can hold/);
    expect(made({ apiKey: "dl_ключ" })).not.toThrow(/dl_/);
  });
});

describe("tries again", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 22) });
    vi.spyOn(Math, "random").mockReturnValue(1);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** The times at which calls were made, in milliseconds after the first. */
  async function times(answers: Answer[], options = {}): Promise<{ at: number[]; error: unknown }> {
    const at: number[] = [];
    const begun = Date.now();
    const timed = answers.map((answer): Answer => (call) => {
      at.push(Date.now() - begun);
      return answer(call);
    });
    const { dateline } = client(timed, options);
    const outcome = dateline.annotate(TEXT).then(
      () => undefined,
      (error: unknown) => error,
    );
    await vi.runAllTimersAsync();
    return { at, error: await outcome };
  }

  test("after a broken connection, 429, 502 and 503, each time after twice as long", async () => {
    const bad: Answer = () => new Response("", { status: 502 });
    const { at, error } = await times([refused, problem(429, "rate_limited"), bad, problem(503, "draining"), FINE]);
    expect(error).toBeUndefined();
    expect(at).toEqual([0, 250, 750, 1_750, 3_750]);
  });

  test("with up to half of each pause left to chance", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    expect((await times([refused, refused, FINE])).at).toEqual([0, 125, 375]);
  });

  test("so often and no more, and after no longer pause than it may", async () => {
    const { at, error } = await times([refused], { retries: { limit: 3, baseMs: 100, maxMs: 150 } });
    expect(at).toEqual([0, 100, 250, 400]);
    expect(error).toMatchObject({ code: "unreachable", message: expect.stringMatching(/fetch failed/) as string });
    expect((await times([refused], { retries: 0 })).at).toEqual([0]);
  });

  test("not before Retry-After has passed, be it seconds or a date", async () => {
    const seconds = problem(503, "overloaded", { "retry-after": "7" });
    const date = problem(429, "rate_limited", { "retry-after": new Date(Date.now() + 20_000).toUTCString() });
    // Then half of the first pause at most, by chance.
    expect((await times([seconds, date, FINE])).at).toEqual([0, 7_125, 20_125]);
  });

  test("not at all if the service wants to be left alone for long", async () => {
    const { at, error } = await times([problem(503, "overloaded", { "retry-after": "61" }), FINE]);
    expect(at).toEqual([0]);
    expect(error).toMatchObject({ code: "overloaded", status: 503, retryAfterMs: 61_000, retryable: true });
  });

  test("after no other error", async () => {
    for (const [status, code] of [
      [400, "invalid_json"],
      [401, "unauthorized"],
      [413, "body_too_large"],
      [500, "internal"],
      [504, "deadline_exceeded"],
    ] as const) {
      const { at, error } = await times([problem(status, code), FINE]);
      expect(at).toEqual([0]);
      expect(error).toMatchObject({ code, status, retryable: false });
    }
  });

  test("when an answer breaks off half-way", async () => {
    const torn: Answer = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            controller.enqueue(new TextEncoder().encode('{"model":'));
            controller.error(new TypeError("terminated"));
          },
        }),
      );
    expect((await times([torn, FINE])).error).toBeUndefined();
  });

  test("not after timeoutMs, and says so", async () => {
    const silent: Answer = () => new Promise(() => undefined);
    const halting: Answer = ({ signal }) =>
      new Response(
        new ReadableStream({
          start(controller) {
            signal.addEventListener("abort", () => {
              controller.error(signal.reason);
            });
          },
        }),
      );
    for (const answer of [silent, halting]) {
      const { at, error } = await times([answer], { timeoutMs: 3_000 });
      expect(at).toEqual([0]);
      expect(error).toMatchObject({ code: "no_answer_in_time", retryable: false });
      expect(String(error)).toMatch(/did not answer within 3000 ms/);
    }
  });
});

describe("a signal", () => {
  const reason = new Error("the story was closed");

  test("that is aborted before keeps everything from being sent", async () => {
    const { dateline, calls } = client([FINE]);
    await expect(dateline.annotate(TEXT, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(calls).toHaveLength(0);
  });

  test("ends a call under way, and its request", async () => {
    const controller = new AbortController();
    const { dateline, calls } = client([() => new Promise(() => undefined)]);
    const outcome = dateline.annotate(TEXT, { signal: controller.signal });
    controller.abort(reason);
    await expect(outcome).rejects.toBe(reason);
    expect(calls[0]?.signal.aborted).toBe(true);
  });

  test("ends a pause", async () => {
    const controller = new AbortController();
    const { dateline, calls } = client([
      (call) => {
        queueMicrotask(() => {
          setImmediate(() => {
            controller.abort(reason);
          });
        });
        return problem(503, "overloaded", { "retry-after": "60" })(call);
      },
    ]);
    await expect(dateline.annotate(TEXT, { signal: controller.signal })).rejects.toBe(reason);
    expect(calls).toHaveLength(1);
  });
});

describe("the service itself", () => {
  test("names its models", async () => {
    const models = [
      { name: "m", default: true, architecture: "a", window_tokens: 8, precision: "f32", labels: ["PLACE"] },
    ];
    const { dateline, calls } = client([json({ models })]);
    expect(await dateline.models()).toEqual(models);
    expect([calls[0]?.method, calls[0]?.url.pathname]).toEqual(["GET", "/v1/models"]);
  });

  test("is ready, is not, or is no Dateline", async () => {
    const devices = [{ device: "cpu", state: "ready" }];
    const { dateline, calls } = client([
      json({ status: "ready", devices, models: ["m"] }),
      problem(503, "not_ready", { "retry-after": "10" }),
      () => new Response("", { status: 404 }),
    ]);
    expect(await dateline.health()).toEqual({ ready: true, models: ["m"], devices });
    expect(await dateline.health()).toMatchObject({ ready: false, error: { code: "not_ready", retryAfterMs: 10_000 } });
    expect(await errorOf(dateline.health())).toMatchObject({ code: "http_error", status: 404 });
    expect(calls).toHaveLength(3);
  });
});

test("types are those of the service's description", () => {
  type Schemas = components["schemas"];
  expectTypeOf<Schemas["OneAnswer"]>().toExtend<Omit<Annotation, "entities">>();
  // Once the description has entities they are to be of this client's type.
  type Described<T> = T extends { entities: infer E } ? E : Entity[];
  expectTypeOf<Described<Required<Schemas["OneAnswer"]>>>().toExtend<Entity[]>();
  // Nobody gets at mentions, or at an error, without looking at `ok`.
  expectTypeOf<Result<{ text: string }>>().not.toHaveProperty("mentions");
  expectTypeOf<Extract<Result<{ text: string }>, { ok: false }>["error"]>().toEqualTypeOf<DatelineError>();
});
