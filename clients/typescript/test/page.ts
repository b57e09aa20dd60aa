// Pages for the tests of the DOM: out of markup of the tests, and out of chance.

/** An element out of markup, in the document. */
export function page(markup: string): HTMLElement {
  const parsed = new DOMParser().parseFromString(`<div>${markup}</div>`, "text/html").body.firstElementChild;
  const element = document.importNode(parsed as HTMLElement, true);
  document.body.replaceChildren(element);
  return element;
}

/** Numbers that look like chance and are the same in every run. */
export function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const CHARACTERS = ["a", " ", "🚀", "é", "e\u0301", "ק", "\n", "👩‍🚒", "\u0000", "&"];

/** Any element with any text in it, in elements of these kinds. */
export function anyPage(random: (below: number) => number, kinds = ["b", "p", "br", "span"]): HTMLElement {
  const grow = (depth: number): Node => {
    if (random(depth > 4 ? 1 : 4) < 2) {
      return document.createTextNode(Array.from({ length: random(6) }, () => CHARACTERS[random(10)]).join(""));
    }
    const node = document.createElement(kinds[random(kinds.length)] ?? "b");
    node.append(...Array.from({ length: random(4) }, () => grow(depth + 1)));
    return node;
  };
  const element = document.createElement("div");
  element.append(...Array.from({ length: 5 }, () => grow(0)));
  return element;
}

/** Stretches of a text that do not overlap and cut no character in two. */
export function anyMentions(
  text: string,
  random: (below: number) => number,
): { start: number; end: number; label: string; text: string }[] {
  const cuts = [0];
  for (const character of text) {
    cuts.push((cuts.at(-1) ?? 0) + character.length);
  }
  const mentions = [];
  for (let i = random(3); i + 1 < cuts.length;) {
    const to = Math.min(cuts.length - 1, i + 1 + random(8));
    const [start, end] = [cuts[i] ?? 0, cuts[to] ?? 0];
    mentions.push({ start, end, label: "X", text: text.slice(start, end) });
    i = to + random(3);
  }
  return mentions;
}
