// The installed package in an empty project: use.mjs BASE_URL, with Node, Deno or Bun.
import { Dateline, DatelineError } from "@dateline-ner/client";

const runtime = globalThis.Deno
  ? `deno ${Deno.version.deno}`
  : globalThis.Bun
    ? `bun ${Bun.version}`
    : `node ${process.version}`;
const dateline = new Dateline({ baseUrl: process.argv[2] });

const story = "🚀 The 93rd Mechanized Brigade fired HIMARS near Bakhmut.";
const { mentions } = await dateline.annotate(story);
const words = mentions.map(({ start, end }) => story.slice(start, end));
if (!words.includes("93rd Mechanized Brigade") || !words.includes("Bakhmut")) {
  throw new Error(`found ${words.join(", ")}`);
}

// Each document is given once the one before is answered: that works only where bodies are really streamed.
let answered = 0;
async function* documents() {
  for (let id = 0; id < 20; id += 1) {
    if (id > answered) throw new Error(`${id} is sent, and ${answered} are answered`);
    yield { id, text: story };
    while (answered <= id) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
for await (const { ok, index } of dateline.stream(documents(), { transport: "duplex" })) {
  if (!ok || index !== answered) throw new Error(`document ${answered} is not answered`);
  answered += 1;
}
let streamed = 0;
for await (const { ok } of dateline.stream(Array.from({ length: 500 }, (_, id) => ({ id, text: story })))) {
  streamed += ok ? 1 : 0;
}
const error = await dateline.annotate("", { labels: ["TANK"] }).catch((reason) => reason);
if (streamed !== 500 || !(error instanceof DatelineError) || error.field !== "labels") {
  throw new Error(`${streamed} of 500, ${error}`);
}
console.log(`${runtime}: ${words.join(", ")}; ${answered} one by one, ${streamed} streamed`);
