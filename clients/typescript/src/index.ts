// Everything but the DOM: `@dateline-ner/client`. What marks mentions in a page is in `@dateline-ner/client/highlight`.
export { Dateline } from "./client.js";
export { DatelineError } from "./error.js";
export type { ClientCode, DatelineErrorCode } from "./error.js";
export type { Terms as CallOptions } from "./link.js";
export type { RetryOptions } from "./retry.js";
export type * from "./types.js";
