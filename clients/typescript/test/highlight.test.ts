// @vitest-environment jsdom
// Marks in a page: the text stays, listeners stay, and all of it can be undone.
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Highlightable, hasCssHighlights, highlight } from "../src/highlight.js";
import { anyMentions, anyPage, numbers, page } from "./page.js";

/** The mentions of these words, each where it stands first behind the one before. */
function mentionsOf(element: Element, ...words: string[]): Highlightable[] {
  const text = element.textContent;
  let from = 0;
  return words.map((word) => {
    const start = text.indexOf(word, from);
    expect(start, word).toBeGreaterThanOrEqual(0);
    from = start + word.length;
    return { start, end: from, label: "PLACE", text: word };
  });
}

/** The words of each mention, put together from its marks. */
function marked(element: Element): string[] {
  const words: string[] = [];
  for (const mark of element.querySelectorAll<HTMLElement>("mark")) {
    const index = Number(mark.dataset["mention"]);
    words[index] = (words[index] ?? "") + mark.textContent;
  }
  return words;
}

const CASES: [string, string, string[]][] = [
  ["plain text", "Shells fell on Kherson.", ["Kherson"]],
  ["all of the text", "Kherson", ["Kherson"]],
  ["emoji before, between and in it", "🚀🇺🇦 Kyiv 👩‍🚒 and Lviv 🔥 Base 🛰 7", ["Kyiv", "Lviv", "Base 🛰 7"]],
  [
    "combining marks and right to left",
    "Jose\u0301 in القدس and Zu\u0308rich",
    ["Jose\u0301", "القدس", "Zu\u0308rich"],
  ],
  ["a line break inside", "the 93rd<br>Mechanized Brigade", ["93rdMechanized Brigade"]],
  ["adjacent mentions", "KyivLviv", ["Kyiv", "Lviv"]],
  [
    "one that spans several nodes",
    "the <b>3rd <i>Assault</i></b> Brigade<!-- no text --> left",
    ["3rd Assault Brigade"],
  ],
  ["nested inline elements", '<p>In <a href="#"><em>Bakh</em>mut</a>, <span>HIMARS</span></p>', ["Bakhmut", "HIMARS"]],
  ["from one paragraph into the next", "<p>near Avdi</p><p>ivka</p>", ["Avdiivka"]],
  ["empty text nodes and entities", "<b></b>Donetsk &amp; Luhansk", ["Donetsk & Luhansk"]],
];

describe("mark", () => {
  test.each(CASES)("%s", (_, markup, words) => {
    const element = page(markup);
    const before = element.cloneNode(true);
    const text = element.textContent;
    const undo = highlight(element, mentionsOf(element, ...words));
    expect(element.textContent).toBe(text);
    expect(marked(element)).toEqual(words);
    undo();
    expect(element.isEqualNode(before)).toBe(true);
    undo();
    expect(element.isEqualNode(before)).toBe(true);
  });

  test("keeps elements, listeners and text nodes", () => {
    const element = page("In <a>Bakhmut <b>today</b></a> and Kyiv");
    const [link, bold, text] = [element.querySelector("a"), element.querySelector("b"), element.firstChild];
    const clicked = vi.fn();
    link?.addEventListener("click", clicked);
    const undo = highlight(element, mentionsOf(element, "In", "Bakhmut today", "Kyiv"));
    expect(element.querySelector("a")).toBe(link);
    expect(element.querySelector("b")).toBe(bold);
    element.querySelector<HTMLElement>("a mark")?.click();
    expect(clicked).toHaveBeenCalledTimes(1);
    undo();
    expect(element.firstChild).toBe(text);
    bold?.click();
    expect(clicked).toHaveBeenCalledTimes(2);
  });

  test("says what is marked, for styles and scripts", () => {
    const element = page("the <b>3rd</b> Brigade and Kyiv");
    const [unit, place] = mentionsOf(element, "3rd Brigade", "Kyiv") as [Highlightable, Highlightable];
    const seen: [string, number][] = [];
    highlight(element, [place, { ...unit, label: "UNIT" }], {
      className: "mine",
      decorate: (mark, mention, index) => {
        seen.push([mark.textContent, index]);
        mark.title = mention.label;
      },
    });
    expect(seen).toEqual([
      ["3rd", 1],
      [" Brigade", 1],
      ["Kyiv", 0],
    ]);
    expect([...element.querySelectorAll("mark")].map((mark) => new XMLSerializer().serializeToString(mark))).toEqual([
      '<mark xmlns="http://www.w3.org/1999/xhtml" class="mine" data-label="UNIT" data-mention="1" data-part="first" title="UNIT">3rd</mark>',
      '<mark xmlns="http://www.w3.org/1999/xhtml" class="mine" data-label="UNIT" data-mention="1" data-part="last" title="UNIT"> Brigade</mark>',
      '<mark xmlns="http://www.w3.org/1999/xhtml" class="mine" data-label="PLACE" data-mention="0" title="PLACE">Kyiv</mark>',
    ]);
  });

  test("a label is text and never markup", () => {
    const element = page("Kyiv");
    highlight(element, [{ start: 0, end: 4, label: '"><img src=x onerror=alert(1)>' }]);
    expect(element.querySelector("img")).toBeNull();
    expect(element.querySelector("mark")?.dataset["label"]).toBe('"><img src=x onerror=alert(1)>');
  });

  test("leaves alone what would break: styles, scripts, drawings, white space of tables", () => {
    const element = page(
      "<style>/* Kyiv */</style><svg><text>Kyiv</text></svg><table> <tr> <td>Kyi</td> <td>v</td> </tr> </table><script>Kyiv</script>",
    );
    const text = element.textContent;
    const undo = highlight(element, [{ start: 0, end: text.length, label: "PLACE" }]);
    expect([...element.querySelectorAll("mark")].map((mark) => mark.parentElement?.localName)).toEqual(["td", "td"]);
    expect(element.textContent).toBe(text);
    undo();
    expect(element.querySelector("mark")).toBeNull();
  });

  test("may be done twice, and undone in either order", () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const element = page("Shells fell on <b>Kherson</b> today");
      const before = element.cloneNode(true);
      const undo = [
        highlight(element, mentionsOf(element, "Kherson")),
        highlight(element, mentionsOf(element, "on Kherson to"), { className: "search" }),
      ] as const;
      expect(element.textContent).toBe(before.textContent);
      undo[order[0]]();
      undo[order[1]]();
      // Text nodes between which the other marks stood stay apart.
      element.normalize();
      expect(element.isEqualNode(before)).toBe(true);
    }
  });

  test("refuses mentions of another text before it changes anything", () => {
    const element = page("🚀 Drones <b>hit</b> Kyiv");
    const before = element.cloneNode(true);
    for (const [mentions, says] of [
      // Counted in code points.
      [[{ start: 2, end: 8, label: "WEAPON", text: "Drones" }], /"Drones", but " Drone" stands there/],
      [[{ start: 1, end: 8, label: "WEAPON" }], /inside a character/],
      [[{ start: 0, end: 1, label: "WEAPON" }], /inside a character/],
      [[{ start: 14, end: 19, label: "PLACE" }], /has 18 UTF-16 units/],
      [[{ start: -1, end: 2, label: "PLACE" }], /not in the element's text/],
      [[{ start: 3.5, end: 9, label: "PLACE" }], /not in the element's text/],
      [[{ start: 9, end: 3, label: "PLACE" }], /not in the element's text/],
      [
        [
          { start: 3, end: 9, label: "WEAPON" },
          { start: 8, end: 12, label: "PLACE" },
        ],
        /mention 1 .* overlaps mention 0/,
      ],
    ] satisfies [Highlightable[], RegExp][]) {
      expect(() => highlight(element, mentions)).toThrow(RangeError);
      expect(() => highlight(element, mentions)).toThrow(says);
      expect(element.isEqualNode(before)).toBe(true);
    }
  });

  test("of any mentions in any page", () => {
    const random = numbers(7);
    for (let round = 0; round < 200; round += 1) {
      const element = anyPage(random);
      const before = element.cloneNode(true);
      const text = element.textContent;
      const mentions = anyMentions(text, random);
      const undo = highlight(element, mentions);
      expect(element.textContent).toBe(text);
      expect(marked(element)).toEqual(mentions.map((mention) => mention.text));
      undo();
      expect(element.isEqualNode(before)).toBe(true);
    }
  });
});

describe("css", () => {
  class FakeHighlight extends Set<Range> {}
  const mentionsIn = (element: Element): Highlightable[] =>
    mentionsOf(element, "3rd Brigade", "Kyiv").map((mention, i) => ({ ...mention, label: i === 0 ? "UNIT" : "PLACE" }));

  function withHighlights(): Map<string, FakeHighlight> {
    const highlights = new Map<string, FakeHighlight>();
    vi.stubGlobal("CSS", { highlights });
    vi.stubGlobal("Highlight", FakeHighlight);
    return highlights;
  }

  afterEach(() => {
    vi.unstubAllGlobals();
  });

  test("marks with ranges and changes no node", () => {
    const highlights = withHighlights();
    expect(hasCssHighlights(window)).toBe(true);
    const element = page("the <b>3rd</b> Brigade in Kyiv");
    const before = element.cloneNode(true);
    const undo = [
      highlight(element, mentionsIn(element), { mode: "css" }),
      highlight(element, mentionsIn(element).slice(1), { mode: "auto" }),
    ] as const;
    const words = (name: string): string[] => [...(highlights.get(name) ?? [])].map(String);
    expect(element.isEqualNode(before)).toBe(true);
    expect(words("dateline-UNIT")).toEqual(["3rd", " Brigade"]);
    expect(words("dateline-PLACE")).toEqual(["Kyiv", "Kyiv"]);
    undo[0]();
    undo[0]();
    expect([...highlights.keys()]).toEqual(["dateline-PLACE"]);
    undo[1]();
    expect(highlights.size).toBe(0);
  });

  test("is refused, or done with marks, where a browser cannot", () => {
    const element = page("the 3rd Brigade in Kyiv");
    expect(() => highlight(element, mentionsIn(element), { mode: "css" })).toThrow(/no CSS Custom Highlight API/);
    highlight(element, mentionsIn(element), { mode: "auto" });
    expect(marked(element)).toEqual(["3rd Brigade", "Kyiv"]);
  });
});
