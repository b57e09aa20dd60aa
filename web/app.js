// The page: sends the story to its own service and shows the mentions in it. Offsets are asked for in UTF-16 units,
// which are those of JavaScript's strings, so a mention is text.slice(start, end).

import { letIn, startAccess, wantKey } from "/access.js";
import { $, count } from "/dom.js";
import { forgetResult, resultOf, showAnswer, startResult } from "/result.js";
import { Refusal, ask } from "/service.js";

const SAMPLE = `🚢 Port Almeda, 4 March — Admiral Ilse Brandt said on Tuesday that the 14th Coastal Brigade had moved two batteries of anti-ship missiles to the mouth of the Varosh River, after drones were seen over Port Almeda for a third night.

“Nobody here wants a fight,” Brandt told reporters in Lisbon. “But we will not be surprised twice.” Two patrol boats of the Coastal Guard escorted the last ferry out of the harbour shortly before midnight.

Mateus Correia, who farms below Hill 402, said he had counted five howitzers on the road since Sunday. “The drone comes at dusk,” he said. “Then the dogs begin.”`;

/** A timer takes no more milliseconds than this. */
const LONGEST_WAIT = 2 ** 31 - 1;

const state = {
  /** What is served, the default first; nothing if the service did not say. */
  models: [],
  /** Asks for the models once a key is there. */
  modelsWantKey: false,
  /** Asks for the models again, and says that a refused request may be tried again. */
  askAgain: 0,
  tryAgain: 0,
  /** The service was not ready when it was last asked. */
  wasAway: false,
  /** Ends the request that is under way. */
  running: null,
  /** A story waits for a key. */
  waiting: false,
};

// ---- The service and its models ----------------------------------------------------------------------------------------------

async function askStatus() {
  let wait = 5000;
  try {
    const response = await fetch("/health/ready", { cache: "no-store" });
    if (response.ok) {
      const { models } = await response.json();
      showStatus("ready", models.length === 1 ? `Model ${models[0]}` : `${count(models.length, "model", "models")} ready`);
      wait = 30000;
      // It may have been started again with other models.
      if (state.wasAway) askModels();
      state.wasAway = false;
    } else {
      const { code } = await response.json();
      showStatus("asking", code === "draining" ? "The service is shutting down" : "The model is warming up…");
      state.wasAway = true;
      wait = 1000;
    }
  } catch {
    showStatus("away", "The service does not answer");
    state.wasAway = true;
  }
  setTimeout(askStatus, wait);
}

function showStatus(name, text) {
  $("status").dataset.state = name;
  if ($("status-text").textContent !== text) $("status-text").textContent = text;
}

/** Asks what is served. Without an answer the page works, with the default model; `asked` says that somebody waits. */
async function askModels(asked = false) {
  clearTimeout(state.askAgain);
  try {
    const { models } = await ask("/v1/models");
    state.modelsWantKey = false;
    showModels(Array.isArray(models) ? models : []);
    if (letIn()) (resultOf() && !$("reading").hidden ? $("reading") : $("story")).focus();
  } catch (error) {
    if (asked || error.code === "unauthorized") showRefusal(error, asked);
    if (error.code === "unauthorized") state.modelsWantKey = true;
    else if (error.seconds) state.askAgain = setTimeout(askModels, Math.min(error.seconds * 1000, LONGEST_WAIT));
  }
}

/** A choice of one is none. */
function showModels(models) {
  const before = $("model").value;
  state.models = models;
  $("model").replaceChildren(...models.map(({ name }) => new Option(name, name)));
  if (models.some(({ name }) => name === before)) $("model").value = before;
  $("model-choice").hidden = models.length < 2;
}

/** The name of the chosen model, if there is a choice. */
const chosenModel = () => (state.models.length > 1 ? $("model").value : undefined);

// ---- Annotating -----------------------------------------------------------------------------------------------------

async function annotate() {
  if (state.running) {
    state.running.abort();
    return;
  }
  const text = $("story").value;
  if (!text.trim()) {
    showProblem("There is no text yet", "Paste a story first, or load the sample.");
    $("story").focus();
    return;
  }
  const running = new AbortController();
  state.running = running;
  showBusy(true);
  hideProblem();
  try {
    const answer = await ask("/v1/annotate", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: text.toWellFormed?.() ?? text, offsets: "utf16", model: chosenModel() }),
      signal: running.signal,
    });
    state.waiting = false;
    letIn();
    if (state.modelsWantKey) await askModels();
    showAnswer(text, answer, state.models.find(({ name }) => name === answer.model)?.labels ?? []);
  } catch (error) {
    state.waiting = error.code === "unauthorized";
    if (error.name !== "AbortError") showRefusal(error, true);
    // The models are not those that the page knows.
    if (error.code === "invalid_field") askModels();
  } finally {
    state.running = null;
    showBusy(false);
  }
}

/** The key is tried on what waits for it. */
function retry() {
  if (state.running) return;
  hideProblem();
  if (state.waiting && $("story").value.trim()) annotate();
  else askModels(true);
}

function showBusy(busy) {
  $("annotate").classList.toggle("busy", busy);
  $("annotate-text").textContent = busy ? "Cancel" : "Annotate";
  $("story").readOnly = busy;
  $("sample").disabled = busy;
  $("model").disabled = busy;
}

/** Shows why there is no answer; `asked` says that somebody waits for it. */
function showRefusal(error, asked) {
  if (error.code === "unauthorized") {
    wantKey(error, asked);
    return;
  }
  if (!(error instanceof Refusal)) {
    showProblem("The service does not answer", "Is it still running? The story is kept here; try again.");
    return;
  }
  // Every other problem of the service itself is told only to those that it lets in.
  if (error.code) letIn();
  // The page says itself when to try again, and says so when it is time.
  showProblem(error.message, error.detail.replace(/; try again in \d+ seconds?$/, ""), error);
}

function showProblem(title, detail, { seconds = null, id = null } = {}) {
  const minutes = Math.ceil(seconds / 60);
  const wait = seconds <= 120 ? count(seconds ?? 0, "second", "seconds") : count(minutes, "minute", "minutes");
  $("problem-title").textContent = title;
  $("problem-detail").textContent = detail;
  $("problem-when").textContent = seconds ? `Try again in ${wait}.` : "";
  $("problem-id").textContent = id ? `Request ${id}` : "";
  $("problem").hidden = false;
  clearTimeout(state.tryAgain);
  const now = () => ($("problem-when").textContent = "You can try again now.");
  if (seconds) state.tryAgain = setTimeout(now, Math.min(seconds * 1000, LONGEST_WAIT));
}

function hideProblem() {
  clearTimeout(state.tryAgain);
  $("problem").hidden = true;
}

// ---- The text -------------------------------------------------------------------------------------------------------

/** Shows the marked story, or the text to edit. */
function showReading(reading) {
  $("reading").hidden = !reading;
  $("form").hidden = reading;
  // Another model may find other mentions in the same story.
  const again = reading && chosenModel() !== undefined && chosenModel() !== resultOf()?.model;
  $("annotate").hidden = reading && !again;
  $("edit").hidden = !reading;
  $("hint").hidden = reading;
  $("sample").hidden = reading;
  showMeasure();
}

function showMeasure() {
  const text = $("story").value;
  const words = text.match(/\S+/gu)?.length ?? 0;
  $("measure").textContent = text ? `${count(words, "word", "words")} · ${count(text.length, "character", "characters")}` : "";
  $("clear").hidden = !text;
}

// ---- Wiring ---------------------------------------------------------------------------------------------------------

function setText(text) {
  $("story").value = text;
  forgetResult();
  hideProblem();
  state.waiting = false;
  showReading(false);
  $("story").focus();
  $("story").setSelectionRange(0, 0);
  $("story").scrollTop = 0;
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  annotate();
});
$("story").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    annotate();
  }
});
$("story").addEventListener("input", () => {
  hideProblem();
  // The list would speak of a text that is no longer there.
  const result = resultOf();
  if (result && $("story").value !== result.text) forgetResult();
  showMeasure();
});
for (const [name, dropping] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("story").addEventListener(name, () => $("story").classList.toggle("dropping", dropping));
}
$("story").addEventListener("drop", async (event) => {
  const [file] = event.dataTransfer.files;
  if (!file) return;
  event.preventDefault();
  setText(await file.text());
});
$("edit").addEventListener("click", () => {
  showReading(false);
  $("story").focus();
});
$("sample").addEventListener("click", () => setText(SAMPLE));
$("clear").addEventListener("click", () => {
  state.running?.abort();
  setText("");
});
if (navigator.platform.startsWith("Mac")) $("hint").querySelector("kbd").textContent = "⌘";
$("model").addEventListener("change", () => showReading(!$("reading").hidden));

startResult(() => showReading(true));
startAccess(retry, askModels);
showMeasure();
askModels();
askStatus();
