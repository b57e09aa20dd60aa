// Lines of JSON out of pieces of bytes, wherever these are cut: inside a line, inside a character, between CR and LF.

/** A line that was not ended: the answer broke off. */
export class BrokenOff extends Error {
  override readonly name = "BrokenOff";
}

/**
 * The lines of a body, without their ends, empty ones left out.
 * @throws BrokenOff if the body ends within a line
 */
export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  // A long line comes in many pieces: they are joined once, at its end.
  let begun: string[] = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      let from = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
        const line = begun.join("") + text.slice(from, end);
        begun = [];
        from = end + 1;
        if (line.trim() !== "") {
          yield line;
        }
      }
      if (from < text.length) {
        begun.push(text.slice(from));
      }
      if (done) {
        if (begun.join("").trim() !== "") {
          throw new BrokenOff("the answer ends within a line");
        }
        return;
      }
    }
  } finally {
    // After the end this does nothing; before it, nobody will read the rest.
    await reader.cancel().catch(() => undefined);
  }
}
