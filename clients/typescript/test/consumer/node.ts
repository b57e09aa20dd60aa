// A program without a DOM.
import { Dateline, type Entity, type Mention } from "@dateline-ner/client";

export async function words(text: string, signal: AbortSignal): Promise<string[]> {
  const dateline = new Dateline({ baseUrl: "http://127.0.0.1:8080", apiKey: process.env["KEY"], fetch });
  const { mentions, entities }: { mentions: Mention[]; entities?: Entity[] } = await dateline.annotate(text, {
    signal,
  });
  for await (const result of dateline.stream([{ text, mine: 1 }])) {
    console.log(result.document.mine, result.ok ? result.mentions : result.error.code);
  }
  return [...mentions.map(({ start, end }) => text.slice(start, end)), ...(entities ?? []).map(({ name }) => name)];
}
