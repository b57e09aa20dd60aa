// When a call is tried again, and after how long: exponential backoff with jitter, and never before the service said.
import type { DatelineError } from "./error.js";

/** How calls are tried again. */
export interface RetryOptions {
  /** How often at most, after the first attempt. */
  limit?: number | undefined;
  /** The first pause in milliseconds; each further one is twice as long. */
  baseMs?: number | undefined;
  /** The longest pause in milliseconds that this client chooses. */
  maxMs?: number | undefined;
  /** The longest `Retry-After` in milliseconds that is waited for; a longer one ends the call with the error. */
  maxRetryAfterMs?: number | undefined;
}

/** The same with nothing left open. */
export type RetryPolicy = { readonly [K in keyof RetryOptions]-?: number };

/** The policy that `retries` means. */
export function retryPolicy(retries: number | RetryOptions | undefined): RetryPolicy {
  const given = typeof retries === "number" ? { limit: retries } : (retries ?? {});
  const policy = {
    limit: given.limit ?? 4,
    baseMs: given.baseMs ?? 250,
    maxMs: given.maxMs ?? 8_000,
    maxRetryAfterMs: given.maxRetryAfterMs ?? 60_000,
  };
  for (const [name, value] of Object.entries(policy)) {
    if (!Number.isFinite(value) || value < 0) {
      throw new RangeError(`retries: ${name} is ${value}; it must be a number from 0 up`);
    }
  }
  return policy;
}

/**
 * How long to wait before the next attempt in milliseconds; `undefined` if there is to be none.
 * @param failures how many attempts failed before this one
 */
export function pauseBefore(policy: RetryPolicy, error: DatelineError, failures: number): number | undefined {
  const asked = error.retryAfterMs ?? 0;
  if (!error.retryable || failures >= policy.limit || asked > policy.maxRetryAfterMs) {
    return undefined;
  }
  const backoff = Math.min(policy.maxMs, policy.baseMs * 2 ** failures);
  // Half of it by chance: clients that were refused together do not come back together.
  const jittered = backoff * (0.5 + Math.random() / 2);
  return asked > 0 ? Math.max(jittered, asked + (Math.random() * policy.baseMs) / 2) : jittered;
}

/** What a `Retry-After` header says in milliseconds: seconds, or a date. */
export function retryAfterMs(value: string | null): number | undefined {
  if (value === null) {
    return undefined;
  }
  if (/^\s*\d+\s*$/.test(value)) {
    return Number(value) * 1_000;
  }
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
