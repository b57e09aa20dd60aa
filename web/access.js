// The field for the key. It is there only while the service refuses a request for want of one; on a service without
// keys nobody sees it. The key is never part of an address: the field has no name, and its form goes nowhere.

import { $ } from "/dom.js";
import { hasKey, useKey } from "/service.js";

/** Shows the field after a refusal; `moveTo` it if the reader asked for something and waits. */
export function wantKey(refusal, moveTo) {
  const wrong = refusal.keyed;
  if (wrong) useKey("");
  $("access").hidden = false;
  if (wrong) say("The service does not know this key. Is it complete?", { id: refusal.id, invalid: true });
  else if (moveTo) say("");
  showForget();
  if (moveTo) {
    $("key").focus();
    $("key").select();
  }
}

/** The service has let somebody in: the field goes away. Says whether the reader was in it. */
export function letIn() {
  const inside = $("access").contains(document.activeElement);
  $("access").hidden = true;
  $("key").value = "";
  say("");
  showForget();
  return inside;
}

function say(text, { id = null, invalid = false } = {}) {
  $("key").ariaInvalid = String(invalid);
  $("access-said").textContent = text;
  $("access-id").textContent = id ? `Request ${id}` : "";
}

function showForget() {
  $("forget-key").hidden = !hasKey();
}

/** Makes the controls work: `retry` is called with a key to try, `ask` when there is none any more. */
export function startAccess(retry, ask) {
  $("access").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = $("key").value.trim();
    // What a header cannot hold would not even be sent.
    const possible = /^[\x21-\x7e]+$/.test(key);
    if (possible) {
      useKey(key);
      retry();
      return;
    }
    const wrong = key ? "A key has no spaces and only plain letters, digits and signs." : "Enter a key first.";
    say(wrong, { invalid: true });
    $("key").focus();
  });
  $("forget-key").addEventListener("click", async () => {
    useKey("");
    $("key").value = "";
    showForget();
    await ask();
    if ($("access").hidden) return;
    say("The key is forgotten.");
    $("key").focus();
  });
  showForget();
}
