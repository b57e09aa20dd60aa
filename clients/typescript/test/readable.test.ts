// @vitest-environment jsdom
// The text that a reader sees, and the way back from it.
import { expect, test } from "vitest";
import { highlight, readable } from "../src/highlight.js";
import { anyMentions, anyPage, numbers, page } from "./page.js";

test("words that the page keeps apart are apart", () => {
  const element = page(
    "<h1>Donetsk</h1><p>🔥 Kyiv<br>and <b>Lv</b>iv<br><br>today</p><style>p{}</style><script>x</script><ul><li>Sumy</li><li>Izium</li></ul>",
  );
  expect(element.textContent).toBe("Donetsk🔥 Kyivand Lvivtodayp{}xSumyIzium");
  expect(readable(element).text).toBe("Donetsk\n\n🔥 Kyiv\nand Lviv\n\ntoday\n\nSumy\n\nIzium\n\n");
});

test("its mentions are found again in the page", () => {
  const element = page("<p>the 3rd<br><i>Brigade</i></p><p>🔥 Kyiv</p>");
  const { text, place } = readable(element);
  const mentions = ["3rd\nBrigade", "Kyiv"].map((words) => {
    const start = text.indexOf(words);
    return { start, end: start + words.length, label: "X", text: words, score: 0.9 };
  });
  expect(place(mentions).map((mention) => [mention.text, mention.score])).toEqual([
    ["3rdBrigade", 0.9],
    ["Kyiv", 0.9],
  ]);
  highlight(element, place(mentions));
  const marks = [...element.querySelectorAll("mark")];
  expect(marks.map((mark) => mark.textContent)).toEqual(["3rd", "Brigade", "Kyiv"]);
  expect(() => place([{ start: 90, end: 95, label: "X" }])).toThrow(/nothing at 90/);
});

test("the way back is right on any page", () => {
  const random = numbers(11);
  for (let round = 0; round < 200; round += 1) {
    const element = anyPage(random, ["b", "p", "br", "span", "style"]);
    const { text, place } = readable(element);
    // Some of them begin or end with a break that the page has not.
    const mentions = anyMentions(text, random);
    const undo = highlight(element, place(mentions));
    const words: string[] = mentions.map(() => "");
    for (const mark of element.querySelectorAll<HTMLElement>("mark")) {
      const index = Number(mark.dataset["mention"]);
      words[index] = (words[index] ?? "") + mark.textContent;
    }
    const plain = (some: string): string => some.replaceAll("\n", "");
    expect(words.map(plain)).toEqual(mentions.map((mention) => plain(mention.text)));
    undo();
  }
});
