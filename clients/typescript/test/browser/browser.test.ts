// The built client in a real browser, on a page of another origin than the service. CHROMIUM names the browser,
// SCREENSHOTS a folder for pictures of the page.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Service, addKey, serve } from "../service/serve.js";

const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
const ROOT = join(import.meta.dirname, "../..");

/** What the page can do: page.js. */
interface Marked {
  mentions: [string, string][];
  sliced: boolean;
  same: boolean;
  marks: [number, string][];
}

const folder = mkdtempSync(join(tmpdir(), "dateline-browser-"));
let browser: Browser;
let files: Server;
let service: Service;
let page: Page;
const requests: string[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  files = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://page").pathname);
    const file = join(ROOT, path.startsWith("/page") ? join("test/browser", path) : path);
    const known = existsSync(file) && extname(file) in TYPES;
    response.writeHead(known ? 200 : 404, { "content-type": `${TYPES[extname(file)] ?? "text/plain"}; charset=utf-8` });
    response.end(known ? readFileSync(file) : "");
  });
  await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
  const key = addKey(join(folder, "keys.toml"));
  service = await serve(["--keys", join(folder, "keys.toml"), "--cors-origin", origin]);
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  page = await browser.newPage({ viewport: { width: 900, height: 640 } });
  page.on("request", (request) => {
    if (request.url().startsWith(service.url) && request.method() === "POST") {
      requests.push(request.headers()["content-type"] ?? "");
    }
  });
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${origin}/page.html?${new URLSearchParams({ service: service.url, key }).toString()}`);
  await page.waitForFunction("window.page !== undefined");
});

afterAll(async () => {
  await browser.close();
  await service.kill();
  files.close();
  rmSync(folder, { recursive: true });
});

async function picture(name: string): Promise<void> {
  const pictures = process.env["SCREENSHOTS"];
  if (pictures !== undefined) {
    await page.screenshot({ path: join(pictures, `${name}.png`) });
  }
}

test("a story with emoji is marked, and its text and its links stay", async () => {
  await page.evaluate(
    "document.getElementById('link').addEventListener('click', () => { document.title = 'clicked'; })",
  );
  const { mentions, sliced, same, marks } = await page.evaluate<Marked>("window.page.mark('story', 'mark')");
  expect(mentions).toEqual(
    expect.arrayContaining([
      ["PLACE", "Bakhmut"],
      ["UNIT", "93rd Mechanized Brigade"],
      ["PLACE", "Kherson"],
      ["PLACE", "Kyiv"],
    ]),
  );
  expect([sliced, same]).toEqual([true, true]);
  const words = mentions.map((_, i) =>
    marks
      .filter(([mention]) => mention === i)
      .map(([, text]) => text)
      .join(""),
  );
  expect(words).toEqual(mentions.map(([, text]) => text));
  await page.click("#link mark");
  expect(await page.title()).toBe("clicked");
  await picture("marks");
});

test("CSS highlights change no node", async () => {
  const { mentions, same, marks } = await page.evaluate<Marked>("window.page.mark('aside', 'css')");
  expect([same, marks]).toEqual([true, []]);
  const highlights = await page.evaluate<[string, string[]][]>("window.page.cssHighlights()");
  const found = highlights.flatMap(([name, words]) => words.map((word) => `${name.replace("dateline-", "")} ${word}`));
  expect(found.sort()).toEqual(mentions.map((mention) => mention.join(" ")).sort());
  expect(found).toContain("PLACE Donetsk");
  await picture("css");
  expect(await page.evaluate("window.page.unmark('aside')")).toBe(true);
  expect(await page.evaluate("window.page.cssHighlights()")).toEqual([]);
});

test("what was marked is as it was once that is undone", async () => {
  expect(await page.evaluate("window.page.unmark('story')")).toBe(true);
  await picture("undone");
});

test("a stream of 500 documents goes in batches", async () => {
  requests.length = 0;
  expect(await page.evaluate("window.page.stream(500)")).toBe(500);
  expect(requests).toEqual(["application/x-ndjson", "application/x-ndjson"]);
});

test("a page can read why it was refused", async () => {
  expect(await page.evaluate("window.page.refused()")).toEqual({
    name: "DatelineError",
    code: "unauthorized",
    status: 401,
    requestId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
  });
  // The browser itself reports a 401; nothing else may be there.
  expect(complaints.filter((text) => !text.includes("401"))).toEqual([]);
});
