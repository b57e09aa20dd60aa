// `<mark>` elements around pieces of text nodes. Text nodes are split and moved into marks; no element is moved, made
// anew or taken away, so nobody's listeners and references are lost.
import type { HighlightOptions, Highlightable } from "../highlight.js";
import type { Piece } from "./pieces.js";

/** A text node and the one that was split off its end. */
interface Split {
  left: Text;
  right: Text;
}

/** Wraps each piece; the function that comes back undoes it. */
export function marks<M extends Highlightable>(
  document: Document,
  pieces: readonly Piece<M>[],
  options: HighlightOptions<M>,
): () => void {
  const splits: Split[] = [];
  const made: { mark: HTMLElement; piece: Piece<M> }[] = [];
  const cut = (left: Text, at: number): Text => {
    const right = left.splitText(at);
    splits.push({ left, right });
    return right;
  };
  // From the end, so that what is left of a node still begins where it did.
  for (const piece of [...pieces].reverse()) {
    if (piece.to < piece.node.length) {
      cut(piece.node, piece.to);
    }
    const words = piece.from > 0 ? cut(piece.node, piece.from) : piece.node;
    const mark = markFor(document, piece, options.className ?? "dateline-mention");
    words.before(mark);
    mark.append(words);
    made.push({ mark, piece });
  }
  made.reverse();
  for (const { mark, piece } of made) {
    options.decorate?.(mark, piece.mention, piece.index);
  }
  let done = false;
  return () => {
    if (!done) {
      done = true;
      unmark(
        made.map(({ mark }) => mark),
        splits,
      );
    }
  };
}

function markFor<M extends Highlightable>(document: Document, piece: Piece<M>, className: string): HTMLElement {
  const mark = document.createElementNS("http://www.w3.org/1999/xhtml", "mark");
  mark.className = className;
  mark.dataset["label"] = piece.mention.label;
  mark.dataset["mention"] = String(piece.index);
  if (!piece.first || !piece.last) {
    mark.dataset["part"] = piece.first ? "first" : piece.last ? "last" : "middle";
  }
  return mark;
}

/** Takes marks away and joins the text nodes that were split for them, where nobody has put anything between. */
function unmark(made: readonly HTMLElement[], splits: readonly Split[]): void {
  for (const mark of made) {
    mark.replaceWith(...mark.childNodes);
  }
  for (const { left, right } of [...splits].reverse()) {
    if (left.nextSibling === right) {
      left.appendData(right.data);
      right.remove();
    }
  }
}
