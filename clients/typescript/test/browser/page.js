// What the test page can do; the test calls it and looks at what became of the page.
import { Dateline } from "/dist/index.js";
import { hasCssHighlights, highlight, readable } from "/dist/highlight.js";

const parameters = new URLSearchParams(location.search);
const service = { baseUrl: parameters.get("service"), apiKey: parameters.get("key") };
const dateline = new Dateline(service);
const undo = {};

window.page = {
  /** Marks an element; tells what was found, and whether its text stayed what it was. */
  async mark(id, mode) {
    const element = document.getElementById(id);
    const before = element.textContent;
    const { text, place } = readable(element);
    const { mentions } = await dateline.annotate(text);
    undo[id] = highlight(element, place(mentions), { mode });
    return {
      mentions: mentions.map(({ label, text: words }) => [label, words]),
      sliced: mentions.every(({ start, end, text: words }) => text.slice(start, end) === words),
      same: element.textContent === before,
      marks: [...element.querySelectorAll("mark")].map((mark) => [Number(mark.dataset.mention), mark.textContent]),
    };
  },

  /** Takes the marks away; tells whether the element is as it was when it came. */
  async unmark(id) {
    const html = await (await fetch(location.pathname)).text();
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById(id);
    undo[id]();
    return document.getElementById(id).isEqualNode(fresh);
  },

  /** The words of each CSS highlight. */
  cssHighlights: () =>
    hasCssHighlights() && [...CSS.highlights].map(([name, ranges]) => [name, [...ranges].map(String)]),

  /** Streams so many documents; tells how they were answered. */
  async stream(count) {
    const documents = Array.from({ length: count }, (_, id) => ({ id, text: `🛰 ${id}: HIMARS struck Donetsk.` }));
    let answered = 0;
    for await (const { ok, index, document, mentions } of dateline.stream(documents)) {
      const words = ok ? mentions.map(({ start, end }) => document.text.slice(start, end)) : [];
      answered += index === answered && document === documents[index] && words.includes("Donetsk") ? 1 : 0;
    }
    return answered;
  },

  /** What a page sees of a refusal. */
  async refused() {
    const error = await new Dateline({ ...service, apiKey: "dl_wrong" }).annotate("Kyiv").catch((reason) => reason);
    return { name: error.name, code: error.code, status: error.status, requestId: error.requestId };
  },
};
