// Unit tests without a service by `npm test`; those against a real one by `npm run test:service`.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/*.test.ts"], restoreMocks: true, unstubGlobals: true },
});
