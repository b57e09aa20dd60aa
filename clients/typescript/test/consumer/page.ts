// A page without Node.
import { Dateline } from "@dateline-ner/client";
import { highlight, readable } from "@dateline-ner/client/highlight";

export async function mark(element: HTMLElement): Promise<() => void> {
  const { text, place } = readable(element);
  const { mentions } = await new Dateline({ baseUrl: location.origin }).annotate(text);
  return highlight(element, place(mentions), {
    mode: "auto",
    decorate: (mark, mention) => {
      mark.title = `${mention.label} ${mention.score}`;
    },
  });
}
