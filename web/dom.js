// Small helpers for what stands in the page.

export const $ = (id) => document.getElementById(id);
export const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** An element with a class, text and children. Text stays text: it is never read as markup. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
