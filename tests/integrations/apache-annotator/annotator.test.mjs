// Apache Annotator on Web Annotations of a Dateline answer, in a page with emoji. DATELINE_URL names the service.
//
// Web Annotation counts code points in a TextPositionSelector, and so does this library (`CodePointSeeker` in
// @apache-annotator/selector), so Dateline's default offsets go in as they are. A TextQuoteSelector has no positions:
// the words, and some of the text before and behind them. Each selector has to find exactly the words of its mention,
// and the library's own highlighter has to mark them and leave the text as it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";

const base = process.env.DATELINE_URL;
assert.ok(base, "DATELINE_URL is not set: run.sh sets it");

const MARKUP = `<article><h1>🔥 Fighting near Bakhmut</h1>
<p>🚀🇺🇦 In <b>Bakh</b>mut 👩‍🚒 the <em>93rd <a href="#">Mechanized</a> Brigade</em> fired HIMARS at Donetsk.</p>
<p>🛰 Donetsk was quiet, Jose\u0301 Ángel said in Zu\u0308rich; 𝔎yiv was not. 🔥 Then Donetsk,<br>too, burned.</p></article>`;

const { window } = new JSDOM(MARKUP);
const { document } = window;
// The library takes these from the page that it runs in.
Object.assign(globalThis, { document, Node: window.Node, NodeFilter: window.NodeFilter, Range: window.Range });
const { createTextPositionSelectorMatcher, createTextQuoteSelectorMatcher, highlightText } = await import(
  "@apache-annotator/dom"
);

const article = document.querySelector("article");
const text = article.textContent;
const answer = await fetch(`${base}/v1/annotate`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ text, offsets: "codepoint" }),
}).then((response) => response.json());
const annotations = answer.mentions.map((mention) => webAnnotation(text, mention));

/** A mention as a Web Annotation: where it is, and what stands there, with up to 32 characters on either side. */
function webAnnotation(text, { start, end, label }) {
  const points = [...text];
  return {
    "@context": "http://www.w3.org/ns/anno.jsonld",
    type: "Annotation",
    motivation: "identifying",
    body: { type: "TextualBody", value: label, purpose: "tagging" },
    target: {
      source: "urn:example:story",
      selector: [
        {
          type: "TextQuoteSelector",
          exact: points.slice(start, end).join(""),
          prefix: points.slice(Math.max(0, start - 32), start).join(""),
          suffix: points.slice(end, end + 32).join(""),
        },
        { type: "TextPositionSelector", start, end },
      ],
    },
  };
}

async function rangesOf(matches) {
  const ranges = [];
  for await (const range of matches) ranges.push(range);
  return ranges;
}

/** Where a range begins and ends in the text, in UTF-16 units. */
function placeOf(range) {
  const before = document.createRange();
  before.setStart(article, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const start = before.toString().length;
  return [start, start + range.toString().length];
}

test("the story has what makes counting hard", () => {
  const words = answer.mentions.map((mention) => mention.text);
  assert.ok(words.includes("93rd Mechanized Brigade"), `found: ${words.join(", ")}`);
  assert.ok(words.filter((word) => word === "Donetsk").length >= 2, `found: ${words.join(", ")}`);
  assert.notEqual([...text].length, text.length, "there is no character outside the first 65,536");
});

for (const [i, annotation] of annotations.entries()) {
  const [quote, position] = annotation.target.selector;
  const points = [...text];
  const utf16 = points.slice(0, position.start).join("").length;
  const place = [utf16, utf16 + quote.exact.length];

  test(`mention ${i}, ${quote.exact}, is found by its position`, async () => {
    const ranges = await rangesOf(createTextPositionSelectorMatcher(position)(article));
    assert.deepEqual(ranges.map(String), [quote.exact]);
    assert.deepEqual(placeOf(ranges[0]), place);
  });

  test(`mention ${i}, ${quote.exact}, is found by its quote, and nothing else is`, async () => {
    const ranges = await rangesOf(createTextQuoteSelectorMatcher(quote)(article));
    assert.deepEqual(ranges.map(String), [quote.exact]);
    assert.deepEqual(placeOf(ranges[0]), place);
  });
}

test("positions in UTF-16 units would miss: the library counts code points", async () => {
  const { selector } = annotations.find(({ target }) => target.selector[0].exact === "93rd Mechanized Brigade").target;
  const start = text.indexOf("93rd Mechanized Brigade");
  const wrong = { type: "TextPositionSelector", start, end: start + selector[0].exact.length };
  const [range] = await rangesOf(createTextPositionSelectorMatcher(wrong)(article));
  assert.notEqual(String(range), selector[0].exact);
});

test("all of them are highlighted, each with its words, and taken away again", async () => {
  const removers = [];
  for (const [i, annotation] of annotations.entries()) {
    const [range] = await rangesOf(createTextPositionSelectorMatcher(annotation.target.selector[1])(article));
    removers.push(highlightText(range, "mark", { "data-mention": String(i) }));
  }
  assert.equal(article.textContent, text);
  for (const [i, annotation] of annotations.entries()) {
    const marks = [...article.querySelectorAll(`mark[data-mention="${i}"]`)];
    assert.equal(marks.map((mark) => mark.textContent).join(""), annotation.target.selector[0].exact);
  }
  for (const remove of removers) remove();
  assert.equal(article.querySelector("mark"), null);
  assert.equal(article.textContent, text);
});
