// What the page asks of its service. The key goes with every request, and every refusal becomes a Refusal that says
// what was wrong, when to try again and which request it was. The key is in this tab's memory and session storage:
// another tab does not see it, and it is gone when the tab is closed.

const STORED = "dateline.key";

let key = "";
try {
  key = sessionStorage.getItem(STORED) ?? "";
} catch {
  // A browser may forbid storage; then the key lives as long as the page.
}

export const hasKey = () => key !== "";

/** Sends this key from now on; the empty one is none. */
export function useKey(wanted) {
  key = wanted;
  try {
    if (key) sessionStorage.setItem(STORED, key);
    else sessionStorage.removeItem(STORED);
  } catch {
    // As above.
  }
}

/** An answer that is not what was asked for. */
export class Refusal extends Error {
  constructor(response, problem, keyed) {
    super(problem.title ?? `The service answered ${response.status}`);
    this.name = "Refusal";
    this.detail = String(problem.detail ?? (response.status === 413 ? "It takes shorter stories only." : response.statusText));
    this.code = problem.code;
    /** The id that the service's log has for the request. */
    this.id = problem.request_id ?? response.headers.get("X-Request-Id");
    /** When to try again, in seconds, if the service says so. */
    this.seconds = secondsToWait(response.headers.get("Retry-After"));
    /** Whether the request came with a key. */
    this.keyed = keyed;
  }
}

/** The JSON that answers a request; throws a Refusal, or what fetch throws. */
export async function ask(path, options = {}) {
  const keyed = hasKey();
  const headers = { ...options.headers, ...(keyed && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { cache: "no-store", ...options, headers });
  const body = await readBody(response);
  if (!response.ok) throw new Refusal(response, body, keyed);
  return body;
}

/** The answer's JSON; what stands before the service may answer otherwise. */
async function readBody(response) {
  const text = await response.text();
  try {
    return JSON.parse(text) ?? {};
  } catch {
    if (response.ok) throw new Error("the answer is cut short");
    const plain = response.headers.get("Content-Type")?.startsWith("text/plain");
    return plain ? { detail: text.slice(0, 500) } : {};
  }
}

/** Retry-After is a number of seconds or a date. */
function secondsToWait(value) {
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : null;
}
