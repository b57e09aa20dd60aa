// Lines out of bytes, wherever these are cut.
import { expect, test } from "vitest";
import { BrokenOff, lines } from "../src/lines.js";
import { all } from "./fake.js";

function cut(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) {
        controller.close();
        return;
      }
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("come out whole, wherever they are cut: in a line, in a character, before a line break", async () => {
  const expected = ['{"text":"🚀 Kyiv 👩‍🚒"}', '{"text":"é — \u2028 in JSON"}', "x".repeat(100)];
  const text = `${expected.join("\r\n")}\n\n \n`.replaceAll("\r\n", "\n");
  for (let size = 1; size <= bytes(text).length; size += 1) {
    expect(await all(lines(cut(bytes(text), size))), `pieces of ${size}`).toEqual(expected);
  }
});

test("have to be ended: one that is not was broken off", async () => {
  for (const text of ["{", '{"id":1}\n{"id":2}', "🚀"]) {
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const line of lines(cut(bytes(text), 3))) {
        seen.push(line);
      }
    };
    await expect(read()).rejects.toBeInstanceOf(BrokenOff);
    expect(seen).toEqual(text.split("\n").slice(0, -1));
  }
});

test("are UTF-8 or an error", async () => {
  await expect(all(lines(cut(Uint8Array.of(0x22, 0xff, 0x22, 0x0a), 1)))).rejects.toThrow(TypeError);
});

test("are read no further than they are wanted", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(bytes("1\n2\n"));
    },
    cancel() {
      cancelled = true;
    },
  });
  for await (const line of lines(body)) {
    expect(line).toBe("1");
    break;
  }
  expect(cancelled).toBe(true);
});
