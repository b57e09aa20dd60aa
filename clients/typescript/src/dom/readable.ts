// What a reader sees of an element. `textContent` runs words together where only a line break or the edge of a paragraph
// stands between them ("Donetsk<br>burned"), and has scripts and styles in it: nothing to annotate as it is.
import type { Highlightable } from "../highlight.js";
import { TEXT_ONLY } from "./pieces.js";

/** A text to annotate, and the way back into the element that it was read from. */
export interface Readable {
  text: string;
  /** Mentions of `text`, in UTF-16 units, as mentions of the element's `textContent`: what `highlight()` takes. */
  place: <M extends Highlightable>(mentions: readonly M[]) => M[];
}

/** A stretch that both texts have. */
interface Shared {
  inText: number;
  inContent: number;
  length: number;
}

/** Elements that begin and end a paragraph. */
const BLOCKS = new Set(
  (
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer " +
    "form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol p pre search section summary table tbody td " +
    "tfoot th thead tr ul"
  ).split(" "),
);
/** A blank line: no mention goes across one. */
const PARAGRAPH = "\n\n";

/**
 * The text of an element with line breaks where the page has some, and without scripts and styles.
 * Annotate `text`, then hand `place(mentions)` to `highlight()`.
 */
export function readable(element: Element): Readable {
  const content = element.textContent;
  const shared: Shared[] = [];
  let [text, at] = ["", 0];
  const breakBy = (separator: string): void => {
    if (text !== "" && !text.endsWith(separator)) {
      text += separator;
    }
  };
  const read = (node: Node, hidden: boolean): void => {
    for (const child of node.childNodes) {
      if (isText(child)) {
        if (!hidden && child.length > 0) {
          shared.push({ inText: text.length, inContent: at, length: child.length });
          text += child.data;
        }
        at += child.length;
      } else if (isElement(child)) {
        const block = BLOCKS.has(child.localName);
        if (child.localName === "br") {
          text += "\n";
        }
        breakBy(block ? PARAGRAPH : "");
        read(child, hidden || child.matches(TEXT_ONLY));
        breakBy(block ? PARAGRAPH : "");
      }
    }
  };
  read(element, element.closest(TEXT_ONLY) !== null);
  return {
    text,
    place: (mentions) =>
      mentions.map((mention) => {
        if (mention.start < 0 || mention.end > text.length) {
          const where = `${mention.start} to ${mention.end}`;
          throw new RangeError(`the text has nothing at ${where}: the mentions are those of another text or unit`);
        }
        return placed(mention, shared, content);
      }),
  };
}

function placed<M extends Highlightable>(mention: M, shared: readonly Shared[], content: string): M {
  // What begins or ends in a break of the text begins behind it and ends before it.
  const first = shared[indexOf(shared, ({ inText, length }) => inText + length > mention.start)];
  const last = shared[indexOf(shared, ({ inText }) => inText >= mention.end) - 1];
  const start = first ? first.inContent + Math.max(0, mention.start - first.inText) : content.length;
  const end = last ? last.inContent + Math.min(last.length, mention.end - last.inText) : start;
  // Between the words may stand what only one of the texts has.
  return {
    ...mention,
    start,
    end: Math.max(start, end),
    ...(mention.text === undefined ? {} : { text: content.slice(start, end) }),
  };
}

/** Which is the first stretch that is so; all behind it are so, too. */
function indexOf(shared: readonly Shared[], isSo: (stretch: Shared) => boolean): number {
  let [low, high] = [0, shared.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const stretch = shared[middle];
    if (stretch && isSo(stretch)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

function isText(node: Node): node is Text {
  return node.nodeType === 3 || node.nodeType === 4;
}

function isElement(node: Node): node is Element {
  return node.nodeType === 1;
}
