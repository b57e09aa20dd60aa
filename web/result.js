// What was found: the story with its mentions, the filters, the list, and both to take away. Text of the story and of
// the answer reaches the page only as text nodes and attributes, never as markup.

import { $, count, element } from "/dom.js";

/** Below this score a mention is drawn as unsure. */
const UNSURE = 0.7;
/** So many colours the style sheet has; labels beyond share them. */
const COLOURS = 8;
/** More rows than this make a page slow; the story itself shows every mention. */
const MOST_ROWS = 2000;

const state = {
  /** The labels in the order of their colours. */
  labels: [],
  /** Labels that are switched off. */
  hidden: new Set(),
  minScore: 0,
  byName: false,
  /** The annotated text, its answer and the mark of each mention. */
  text: "",
  answer: null,
  marks: [],
  /** The numbers of the chosen mentions. */
  chosen: [],
  /** Brings the story to the front. */
  showStory: () => {},
};

function colour(label) {
  let index = state.labels.indexOf(label);
  if (index < 0) index = state.labels.push(label) - 1;
  return `c${index % COLOURS}`;
}

const passes = (mention) => mention.score >= state.minScore && !state.hidden.has(mention.label);

/** The text that the result is of, and the model that found it; none without a result. */
export const resultOf = () => (state.answer ? { text: state.text, model: state.answer.model } : null);

/** Forgets the result. */
export function forgetResult() {
  Object.assign(state, { text: "", answer: null, marks: [], chosen: [] });
  $("results").hidden = true;
  $("empty").hidden = false;
  $("total").textContent = "";
}

// ---- The story with its mentions ------------------------------------------------------------------------------------

/** Shows what was found in a text, by a model that has these labels (none, if they are not known). */
export function showAnswer(text, answer, labels) {
  Object.assign(state, { text, answer, chosen: [], marks: [], labels: [...labels] });
  const parts = [];
  let end = 0;
  answer.mentions.forEach((mention, number) => {
    parts.push(text.slice(end, mention.start));
    const mark = element("mark", `mention ${colour(mention.label)}`, text.slice(mention.start, mention.end));
    mark.dataset.label = mention.label;
    mark.dataset.number = number;
    mark.tabIndex = 0;
    mark.title = `${mention.label}, score ${mention.score.toFixed(2)}`;
    mark.classList.toggle("unsure", mention.score < UNSURE);
    state.marks.push(mark);
    parts.push(mark);
    end = mention.end;
  });
  parts.push(text.slice(end));
  $("reading").replaceChildren(...parts);
  $("empty").hidden = true;
  $("results").hidden = false;
  state.showStory();
  showChips();
  showFiltered();
  // On a narrow screen the story is above what was found in it: begin with the story's own beginning.
  $("reading").scrollTop = 0;
  $("reading").focus({ preventScroll: true });
}

// ---- Filters and the list -------------------------------------------------------------------------------------------

function showChips() {
  const counts = new Map(state.labels.map((label) => [label, 0]));
  for (const { label } of state.answer.mentions) counts.set(label, (counts.get(label) ?? 0) + 1);
  const chips = [...counts].map(([label, number]) => {
    const chip = element("button", `chip ${colour(label)}`, label, element("span", "", number.toLocaleString("en")));
    chip.type = "button";
    chip.ariaPressed = String(!state.hidden.has(label));
    chip.title = `Show or hide ${label}`;
    chip.addEventListener("click", () => {
      if (!state.hidden.delete(label)) state.hidden.add(label);
      chip.ariaPressed = String(!state.hidden.has(label));
      showFiltered();
    });
    return chip;
  });
  $("chips").replaceChildren(...chips);
}

function showFiltered() {
  const { mentions } = state.answer;
  mentions.forEach((mention, number) => {
    const off = !passes(mention);
    state.marks[number].classList.toggle("off", off);
    state.marks[number].tabIndex = off ? -1 : 0;
  });
  const shown = mentions.filter(passes).length;
  $("total").textContent = shown === mentions.length ? count(shown, "mention", "mentions") : `${shown.toLocaleString("en")} of ${count(mentions.length, "mention", "mentions")}`;
  showRows();
}

/** The rows of the list: the numbers of the mentions that each stands for. */
function groups() {
  const shown = [...state.answer.mentions.keys()].filter((number) => passes(state.answer.mentions[number]));
  if (!state.byName) return shown.map((number) => [number]);
  const byName = new Map();
  for (const number of shown) {
    const { label, text } = state.answer.mentions[number];
    const key = JSON.stringify([label, text]);
    if (!byName.has(key)) byName.set(key, []);
    byName.get(key).push(number);
  }
  return [...byName.values()].sort((a, b) => b.length - a.length || a[0] - b[0]);
}

function showRows() {
  const all = groups();
  $("rows").replaceChildren(...all.slice(0, MOST_ROWS).map(row));
  $("last-column").textContent = state.byName ? "Count" : "Offsets";
  const none = all.length === 0;
  $("none").hidden = !none && all.length <= MOST_ROWS;
  $("none").textContent = none
    ? state.answer.mentions.length ? "No mention passes the filters." : "The model found no mention in this text."
    : `${(all.length - MOST_ROWS).toLocaleString("en")} more are in the story and in the download.`;
  showChosen();
}

function row(numbers) {
  const mentions = numbers.map((number) => state.answer.mentions[number]);
  const { start, end, label, text } = mentions[0];
  const score = mentions.reduce((sum, mention) => sum + mention.score, 0) / mentions.length;
  const filled = element("span", "");
  filled.style.width = `${Math.round(score * 100)}%`;
  const bar = element("span", "bar", filled);
  bar.ariaHidden = "true";
  const made = element(
    "tr",
    colour(label),
    element("td", "words", text),
    element("td", "", element("span", "badge", label)),
    element("td", "", element("span", "score", bar, score.toFixed(2))),
    element("td", "offsets", state.byName ? `× ${numbers.length}` : `${start}–${end}`),
  );
  if (state.byName && numbers.length > 1) made.title = "Mean score; click again for the next mention";
  made.tabIndex = 0;
  made.dataset.numbers = numbers.join(" ");
  return made;
}

// ---- Choosing a mention, in the story or in the list ----------------------------------------------------------------

function showChosen() {
  state.marks.forEach((mark, number) => mark.classList.toggle("chosen", state.chosen.includes(number)));
  for (const made of $("rows").children) {
    const numbers = made.dataset.numbers.split(" ").map(Number);
    made.classList.toggle("chosen", numbers.some((number) => state.chosen.includes(number)));
  }
}

const smooth = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

function chooseRow(made) {
  const numbers = made.dataset.numbers.split(" ").map(Number);
  // A row that stands for several mentions goes on to the next with every click.
  const next = numbers[(numbers.indexOf(state.chosen[0]) + 1) % numbers.length];
  state.chosen = [next];
  state.showStory();
  showChosen();
  state.marks[next].scrollIntoView({ block: "center", behavior: smooth() });
}

function chooseMark(mark) {
  state.chosen = [Number(mark.dataset.number)];
  showChosen();
  // The frame itself is scrolled, not the page: the story stays where the reader is.
  const made = $("rows").querySelector(".chosen");
  const frame = $("table-frame");
  if (made) frame.scrollTo({ top: made.offsetTop - (frame.clientHeight - made.offsetHeight) / 2, behavior: smooth() });
}

/** Calls `choose` with the element under a click, Enter or the space bar that matches `selector`. */
function onChoice(area, selector, choose) {
  area.addEventListener("click", (event) => {
    const target = event.target.closest(selector);
    if (target) choose(target);
  });
  area.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target.matches(selector)) {
      event.preventDefault();
      choose(event.target);
    }
  });
}

// ---- Taking the result away -----------------------------------------------------------------------------------------

/** What is shown, in the shape of a JSONL line, with model and offset unit. */
function result(withText) {
  const { model, offsets, mentions } = state.answer;
  return { model, offsets, ...(withText && { text: state.text }), mentions: mentions.filter(passes) };
}

async function copy() {
  const json = JSON.stringify(result(false), null, 2);
  let copied = true;
  try {
    await navigator.clipboard.writeText(json);
  } catch {
    // Without https a browser gives no clipboard, except through a selection.
    const helper = element("textarea", "hidden-label", json);
    document.body.append(helper);
    helper.select();
    copied = document.execCommand("copy");
    helper.remove();
  }
  const button = $("copy");
  button.textContent = copied ? "Copied" : "Not copied";
  setTimeout(() => (button.textContent = "Copy JSON"), 1600);
}

function download() {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(result(true))}\n`], { type: "application/x-ndjson" }));
  const link = element("a", "");
  link.href = url;
  link.download = "dateline.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// ---- Wiring ---------------------------------------------------------------------------------------------------------

/** Makes the controls work; `showStory` brings the marked story to the front. */
export function startResult(showStory) {
  state.showStory = showStory;
  $("min-score").addEventListener("input", (event) => {
    state.minScore = Number(event.target.value);
    $("min-score-value").textContent = state.minScore.toFixed(2);
    showFiltered();
  });
  for (const [id, byName] of [["by-mention", false], ["by-name", true]]) {
    $(id).addEventListener("click", () => {
      state.byName = byName;
      $("by-mention").ariaPressed = String(!byName);
      $("by-name").ariaPressed = String(byName);
      showRows();
    });
  }
  onChoice($("rows"), "tr", chooseRow);
  onChoice($("reading"), ".mention:not(.off)", chooseMark);
  $("copy").addEventListener("click", copy);
  $("download").addEventListener("click", download);
  // A browser may bring text back after a reload, and the slider's place with it.
  state.minScore = Number($("min-score").value);
  $("min-score-value").textContent = state.minScore.toFixed(2);
}
