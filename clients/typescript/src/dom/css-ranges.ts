// Ranges of the CSS Custom Highlight API: one highlight a label for the whole page, shared by all elements in it.
import type { Highlightable } from "../highlight.js";
import type { Piece } from "./pieces.js";

/** Adds a range for each piece; the function that comes back takes them away again. */
export function cssRanges<M extends Highlightable>(
  document: Document,
  window: Window & typeof globalThis,
  pieces: readonly Piece<M>[],
): () => void {
  const registry = window.CSS.highlights;
  const added: { name: string; range: Range }[] = [];
  for (const { node, from, to, mention } of pieces) {
    const name = `dateline-${mention.label}`;
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    const highlight = registry.get(name) ?? new window.Highlight();
    highlight.add(range);
    registry.set(name, highlight);
    added.push({ name, range });
  }
  return () => {
    for (const { name, range } of added.splice(0)) {
      const highlight = registry.get(name);
      highlight?.delete(range);
      if (highlight?.size === 0) {
        registry.delete(name);
      }
    }
  };
}
