// The client against a real service: offsets, batches, streams, keys, limits, and a service that is killed meanwhile.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Dateline, type Document, type Mention, type Result } from "../../src/index.js";
import { all, mailbox } from "../fake.js";
import { type Service, addKey, serve } from "./serve.js";

const STORY = "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk, Gen. Oleksandr Syrskyi said. 🔥";
const LONE = "Kyiv \ud83d";

function wordsOf(text: string, mentions: Mention[]): string[] {
  return mentions.map(({ start, end }) => text.slice(start, end));
}

function stories(count: number): Document[] {
  return Array.from({ length: count }, (_, id) => ({
    id: `s${id}`,
    text: `${"🛰 ".repeat(id % 5)}${id}: ${id % 2 === 0 ? STORY : "Nothing here."}`,
  }));
}

function expectStories(results: Result<Document>[], given: Document[]): void {
  expect(results.map(({ index, document }) => [index, document.id])).toEqual(given.map(({ id }, i) => [i, id]));
  for (const result of results) {
    const { text } = result.document;
    const words = result.ok ? wordsOf(text, result.mentions) : undefined;
    expect(words).toEqual(result.ok ? result.mentions.map((mention) => mention.text) : []);
    expect(words?.includes("93rd Mechanized Brigade")).toBe(result.index % 2 === 0);
  }
}

describe("a service", () => {
  let service: Service;
  let dateline: Dateline;
  beforeAll(async () => {
    service = await serve();
    dateline = new Dateline({ baseUrl: service.url });
  });
  afterAll(() => service.kill());

  test("marks exact slices of a text with emoji", async () => {
    const { mentions, offsets, model } = await dateline.annotate(STORY);
    expect([offsets, model]).toEqual(["utf16", "dateline-en-small"]);
    expect(wordsOf(STORY, mentions)).toEqual(mentions.map((mention) => mention.text));
    const named = mentions.map((mention) => `${mention.label} ${mention.text}`);
    expect(named).toEqual(expect.arrayContaining(["PLACE Bakhmut", "UNIT 93rd Mechanized Brigade"]));
  });

  test("counts in other units when told to", async () => {
    const characters = Array.from(STORY);
    const points = await dateline.annotate(STORY, { offsets: "codepoint", labels: ["UNIT", "PLACE"] });
    expect(points.mentions.map(({ start, end }) => characters.slice(start, end).join(""))).toEqual([
      "Bakhmut",
      "93rd Mechanized Brigade",
      "Donetsk",
    ]);
    const bytes = Buffer.from(STORY);
    const byte = await dateline.annotate(STORY, { offsets: "byte", minScore: 0.9 });
    expect(byte.mentions.length).toBeGreaterThan(0);
    for (const { start, end, text, score } of byte.mentions) {
      expect(bytes.subarray(start, end).toString()).toBe(text);
      expect(score).toBeGreaterThanOrEqual(0.9);
    }
  });

  test("reads a long text in windows", async () => {
    const text = `${STORY} `.repeat(300);
    const { mentions } = await dateline.annotate(text);
    expect(wordsOf(text, mentions)).toEqual(mentions.map((mention) => mention.text));
    expect(mentions.filter((mention) => mention.text === "93rd Mechanized Brigade")).toHaveLength(300);
  });

  test("answers a batch, half a character in one of its texts and all", async () => {
    const given = [{ id: 1, text: STORY }, { id: 2, text: LONE }, { text: "" }, { id: null, text: "Kyiv" }];
    const { results } = await dateline.annotateBatch(given);
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true, true]);
    expect(results[1]).toMatchObject({ index: 1, error: { code: "invalid_json", field: "text" } });
    expect(results[3]).toMatchObject({ index: 3, mentions: [{ text: "Kyiv", label: "PLACE" }] });
    expect((await dateline.annotateBatch([])).results).toEqual([]);
  });

  test.each(["duplex", "batches"] as const)("answers a stream of 500 documents by %s", async (transport) => {
    const given = stories(500);
    const results = await all(dateline.stream(given, { transport }));
    expectStories(results, given);
    const { results: batch } = await dateline.annotateBatch(given.slice(0, 50));
    expect(results.slice(0, 50)).toEqual(batch);
  });

  test.each(["duplex", "batches"] as const)("tells of bad documents of a stream by %s", async (transport) => {
    const given = [
      { text: "In Lviv" },
      { id: 7, text: LONE },
      { text: undefined as unknown as string },
      { text: "Kyiv" },
    ];
    const results = await all(dateline.stream(given, { transport }));
    expect(results.map((result) => (result.ok ? result.mentions.length : result.error.code))).toEqual([
      1,
      "invalid_json",
      "missing_field",
      1,
    ]);
  });

  test("answers a document of a stream before the next one comes", async () => {
    const { push, source } = mailbox<Document>();
    const results = dateline.stream(source);
    for (const text of ["Kyiv", "Nothing", STORY]) {
      push({ text });
      expect((await results.next()).value).toMatchObject({ ok: true, document: { text } });
    }
    await results.return();
  });

  test("says what is wrong with a request", async () => {
    await expect(dateline.annotate("", { labels: ["TANK"] })).rejects.toMatchObject({
      name: "DatelineError",
      code: "invalid_field",
      status: 422,
      field: "labels",
      requestId: expect.stringMatching(/./) as string,
    });
    await expect(all(dateline.stream([{ text: "" }], { model: "none" }))).rejects.toMatchObject({ field: "model" });
    await expect(dateline.annotate(LONE)).rejects.toMatchObject({ code: "invalid_json", status: 400 });
  });

  test("ends what nobody wants any more", async () => {
    const controller = new AbortController();
    const results = dateline.stream(stories(500), { signal: controller.signal });
    await results.next();
    controller.abort();
    await expect(all(results)).rejects.toMatchObject({ name: "AbortError" });
  });

  test("names its models, and is ready", async () => {
    const [model] = await dateline.models();
    expect(model).toMatchObject({
      name: "dateline-en-small",
      default: true,
      labels: ["PERSON", "PLACE", "UNIT", "WEAPON"],
    });
    expect(await dateline.health()).toMatchObject({ ready: true, models: ["dateline-en-small"] });
    const elsewhere = new Dateline({ baseUrl: `${service.url}/elsewhere` });
    await expect(elsewhere.health()).rejects.toMatchObject({ code: "not_found", status: 404 });
  });
});

describe("a service with keys", () => {
  const folder = mkdtempSync(join(tmpdir(), "dateline-client-"));
  const file = join(folder, "keys.toml");
  let service: Service;
  let key: string;
  beforeAll(async () => {
    key = addKey(file);
    service = await serve(["--keys", file]);
  });
  afterAll(async () => {
    await service.kill();
    rmSync(folder, { recursive: true });
  });

  test("lets in who has one, and says 401 to others at once", async () => {
    const given = stories(3);
    const holder = new Dateline({ baseUrl: service.url, apiKey: key });
    expect(wordsOf(STORY, (await holder.annotate(STORY)).mentions)).toContain("Bakhmut");
    expectStories(await all(holder.stream(given)), given);
    for (const apiKey of [undefined, "dl_wrong"]) {
      const stranger = new Dateline({ baseUrl: service.url, apiKey });
      const refusal = { name: "DatelineError", code: "unauthorized", status: 401, retryable: false };
      await expect(stranger.annotate(STORY)).rejects.toMatchObject(refusal);
      await expect(stranger.annotateBatch(given)).rejects.toMatchObject(refusal);
      await expect(stranger.models()).rejects.toMatchObject(refusal);
      for (const transport of ["duplex", "batches"] as const) {
        await expect(all(stranger.stream(given, { transport }))).rejects.toMatchObject(refusal);
      }
      expect(await stranger.health()).toMatchObject({ ready: true });
    }
  });
});

describe("a service with limits", () => {
  let service: Service;
  beforeAll(async () => {
    service = await serve(["--rate-limit", "2", "--max-documents", "2", "--idle-timeout", "1"]);
  });
  afterAll(() => service.kill());

  test("is asked again after the time it names", async () => {
    const statuses: number[] = [];
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await globalThis.fetch(input, init);
      statuses.push(response.status);
      return response;
    };
    const dateline = new Dateline({ baseUrl: service.url, fetch, retries: 10 });
    const answers = await Promise.all(Array.from({ length: 6 }, () => dateline.annotate("Kyiv")));
    expect(answers.map(({ mentions }) => mentions.length)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(statuses.filter((status) => status === 200)).toHaveLength(6);
    expect(statuses).toContain(429);
  });

  test("refuses a batch that is too large as a whole", async () => {
    const dateline = new Dateline({ baseUrl: service.url, retries: 10 });
    await expect(dateline.annotateBatch(stories(3))).rejects.toMatchObject({ code: "too_many_documents", status: 413 });
  });

  test("ends a silent stream, which goes on when there is more", async () => {
    const { push, source } = mailbox<Document>();
    let connections = 0;
    // The next document comes when the service has given up the connection of the one before.
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await globalThis.fetch(input, init);
      if (response.status !== 200 || !response.body) {
        return response;
      }
      connections += 1;
      const end = new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          controller.enqueue(piece);
          if (new TextDecoder().decode(piece).includes('"code":"timeout"')) {
            push({ text: `Kyiv ${connections}` });
          }
        },
      });
      return new Response(response.body.pipeThrough(end), response);
    };
    const dateline = new Dateline({ baseUrl: service.url, fetch, retries: 10 });
    const results = dateline.stream(source, { transport: "duplex" });
    push({ text: "Kyiv 0" });
    for (const text of ["Kyiv 0", "Kyiv 1", "Kyiv 2"]) {
      expect((await results.next()).value).toMatchObject({
        ok: true,
        document: { text },
        mentions: [{ text: "Kyiv" }],
      });
    }
    await results.return();
    expect(connections).toBe(3);
  });
});

test.each(["duplex", "batches"] as const)("a stream by %s outlives its service", async (transport) => {
  let service = await serve();
  const { url } = service;
  const given = stories(600);
  const dateline = new Dateline({ baseUrl: url, retries: { limit: 60, baseMs: 100, maxMs: 500 } });
  const results: Result<Document>[] = [];
  for await (const result of dateline.stream(given, { transport })) {
    results.push(result);
    if (results.length === 100) {
      await service.kill();
      service = await serve([], new URL(url).host);
    }
  }
  await service.kill();
  expectStories(results, given);
});
