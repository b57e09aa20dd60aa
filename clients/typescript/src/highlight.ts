// Marks mentions in a page: `<mark>` elements around their words, or ranges of the CSS Custom Highlight API. The text of
// the element stays what it is, to the character, and so do its elements and their listeners; what was done can be undone.
import { cssRanges } from "./dom/css-ranges.js";
import { marks } from "./dom/marks.js";
import { piecesOf } from "./dom/pieces.js";

export { readable } from "./dom/readable.js";
export type { Readable } from "./dom/readable.js";

/** What is needed of a mention; those of an answer with `offsets: "utf16"` fit as they are. */
export interface Highlightable {
  /** Where it begins in the element's `textContent`, in UTF-16 units. */
  start: number;
  /** Where it ends: one past its last unit. */
  end: number;
  /** What it names; it gets into `data-label`, or into the name of the CSS highlight. */
  label: string;
  /** Its words. If they are here, they must be what stands there. */
  text?: string;
}

/** How mentions are marked. */
export interface HighlightOptions<M extends Highlightable = Highlightable> {
  /**
   * `mark`, the default: `<mark>` elements. `css`: ranges named `dateline-LABEL` for `::highlight()`, which leave the
   * document's nodes alone. `auto`: `css` where the browser has it, else `mark`.
   */
  mode?: "mark" | "css" | "auto" | undefined;
  /** The class of the `<mark>` elements; `dateline-mention` without it, which is what `style.css` speaks of. */
  className?: string | undefined;
  /** Called for each `<mark>`: to add listeners or attributes. A mention that spans several nodes has several. */
  decorate?: ((mark: HTMLElement, mention: M, index: number) => void) | undefined;
}

/** Whether a window has the CSS Custom Highlight API. */
export function hasCssHighlights(window: unknown = globalThis): boolean {
  const { CSS: css, Highlight: highlight } = window as { CSS?: { highlights?: unknown }; Highlight?: unknown };
  return css?.highlights !== undefined && typeof highlight === "function";
}

/**
 * Marks `mentions` in `element`.
 * @returns a function that takes the marks away again
 * @throws RangeError, before anything is changed, if a mention is not in the text, cuts a character in two, overlaps
 *   another or has other words than those that stand there: then the offsets are those of another text or unit
 */
export function highlight<M extends Highlightable>(
  element: Element,
  mentions: readonly M[],
  options: HighlightOptions<M> = {},
): () => void {
  const pieces = piecesOf(element, mentions);
  const window = element.ownerDocument.defaultView;
  const { mode = "mark" } = options;
  if (mode === "css" || (mode === "auto" && hasCssHighlights(window))) {
    if (!window || !hasCssHighlights(window)) {
      throw new Error('this browser has no CSS Custom Highlight API: use the mode "mark" or "auto"');
    }
    return cssRanges(element.ownerDocument, window, pieces);
  }
  return marks(element.ownerDocument, pieces, options);
}
