// Where mentions lie in the nodes of an element: offsets of its textContent, which is what all its text nodes hold, to
// stretches of those nodes. Mentions that do not fit the text are refused here, before anything is changed.
import type { Highlightable } from "../highlight.js";

/** A stretch of one text node that belongs to one mention. */
export interface Piece<M> {
  node: Text;
  from: number;
  to: number;
  mention: M;
  /** Which mention it is, as they were given. */
  index: number;
  /** Whether it is the first piece of its mention, and the last. */
  first: boolean;
  last: boolean;
}

/** Text and CDATA sections: what textContent is made of. */
const SHOW_TEXT = 0x4 | 0x8;

/** The pieces of all mentions, in the order of the text. */
export function piecesOf<M extends Highlightable>(element: Element, mentions: readonly M[]): Piece<M>[] {
  const inOrder = checked(element.textContent, mentions);
  const pieces: Piece<M>[] = [];
  const walker = element.ownerDocument.createTreeWalker(element, SHOW_TEXT);
  let at = 0;
  let next = 0;
  while (next < inOrder.length && walker.nextNode()) {
    const node = walker.currentNode as Text;
    const end = at + node.length;
    for (const { mention, index } of inOrder.slice(next, firstFrom(inOrder, next, end))) {
      if (mention.end <= end) {
        next += 1;
      }
      const [from, to] = [Math.max(mention.start, at) - at, Math.min(mention.end, end) - at];
      if (from < to && canBeMarked(node, from, to)) {
        const before = pieces.at(-1);
        const first = before?.index !== index;
        if (before && !first) {
          before.last = false;
        }
        pieces.push({ node, from, to, mention, index, first, last: true });
      }
    }
    at = end;
  }
  return pieces;
}

/** Which is the first from `next` on that begins at `end` or behind it. */
function firstFrom<M extends Highlightable>(inOrder: readonly Placed<M>[], next: number, end: number): number {
  let i = next;
  while (i < inOrder.length && (inOrder[i]?.mention.start ?? end) < end) {
    i += 1;
  }
  return i;
}

interface Placed<M> {
  mention: M;
  index: number;
}

/** The mentions in the order of the text. */
function checked<M extends Highlightable>(text: string, mentions: readonly M[]): Placed<M>[] {
  const inOrder = mentions.map((mention, index) => ({ mention, index }));
  inOrder.sort((one, other) => one.mention.start - other.mention.start || one.mention.end - other.mention.end);
  let before: Placed<M> | undefined;
  for (const placed of inOrder) {
    const { mention, index } = placed;
    const { start, end } = mention;
    const which = `mention ${index} (${mention.label}, ${start} to ${end})`;
    if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > text.length) {
      throw new RangeError(`${which} is not in the element's text, which has ${text.length} UTF-16 units`);
    }
    if (mention.text !== undefined && text.slice(start, end) !== mention.text) {
      const there = JSON.stringify(text.slice(start, end));
      throw new RangeError(
        `${which} is ${JSON.stringify(mention.text)}, but ${there} stands there: annotate element.textContent itself, with offsets in utf16`,
      );
    }
    if (cutsCharacter(text, start) || cutsCharacter(text, end)) {
      throw new RangeError(`${which} begins or ends inside a character: its offsets do not count UTF-16 units`);
    }
    if (before && start < before.mention.end) {
      throw new RangeError(`${which} overlaps mention ${before.index}`);
    }
    before = placed;
  }
  return inOrder;
}

function cutsCharacter(text: string, at: number): boolean {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(Math.max(0, at - 1), at + 1));
}

/** Elements whose text is no text of the page, or which may hold nothing but text: a selector. */
export const TEXT_ONLY = "script, style, textarea, title, option, iframe, noscript, noembed, xmp";
/** Elements between whose children white space is no content, and a mark would be misplaced. */
const STRUCTURE = new Set(
  "table thead tbody tfoot tr colgroup ul ol dl menu select optgroup datalist picture video audio".split(" "),
);
const HTML = "http://www.w3.org/1999/xhtml";

/** Whether a mark around this stretch would leave the page as it is. Drawings (SVG) and formulas show no HTML. */
function canBeMarked(node: Text, from: number, to: number): boolean {
  const parent = node.parentElement;
  if (parent === null) {
    return false;
  }
  const { localName, namespaceURI } = parent;
  if (namespaceURI !== HTML) {
    return namespaceURI === null;
  }
  if (parent.closest(TEXT_ONLY)) {
    return false;
  }
  return !STRUCTURE.has(localName) || /\S/.test(node.data.slice(from, to));
}
