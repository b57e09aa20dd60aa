// Waiting that ends when somebody says so: pauses, promises of others, and attempts with a clock.

/** Waits so long; rejects with the signal's reason if that is aborted first. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await orAborted(new Promise((resolve) => (timer = setTimeout(resolve, ms))), signal);
  } finally {
    clearTimeout(timer);
  }
}

/** The promise, or the signal's reason if that is aborted first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) {
    return promise;
  }
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(reasonOf(signal));
    };
    signal.addEventListener("abort", abort);
  });
  try {
    // Not before the promise has somebody to tell should it reject, too.
    return await Promise.race([promise, signal.aborted ? Promise.reject(reasonOf(signal)) : aborted]);
  } finally {
    if (abort) {
      signal.removeEventListener("abort", abort);
    }
  }
}

/** What the signal was aborted with. Callers may abort with anything; what they gave is what they get. */
export function reasonOf(signal: AbortSignal): Error {
  return signal.reason as Error;
}

/** An attempt's own signal: it follows the caller's, and a clock that can be set, moved and stopped. */
export class Attempt {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #follow = (): void => {
    this.#controller.abort(this.#outer?.reason);
  };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #late = false;

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer;
    outer?.addEventListener("abort", this.#follow);
    if (outer?.aborted) {
      this.#follow();
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the clock has run out. */
  get late(): boolean {
    return this.#late;
  }

  /** Whether the caller wants no more of it. */
  get unwanted(): boolean {
    return this.#outer?.aborted ?? false;
  }

  /** Ends the attempt after so many milliseconds, unless `restFor` then says how much longer it has. */
  setClock(ms: number, restFor: () => number = () => 0): void {
    this.stopClock();
    if (!Number.isFinite(ms)) {
      return;
    }
    // Timers of more milliseconds than 31 bits hold would fire at once.
    this.#timer = setTimeout(
      () => {
        const rest = restFor();
        if (rest > 0) {
          this.setClock(rest, restFor);
        } else {
          this.#late = true;
          this.#controller.abort();
        }
      },
      Math.min(ms, 2 ** 31 - 1),
    );
  }

  stopClock(): void {
    clearTimeout(this.#timer);
  }

  /** Lets go of everything; what is still on its way is cancelled. */
  end(): void {
    this.stopClock();
    this.#outer?.removeEventListener("abort", this.#follow);
    this.#controller.abort();
  }
}
