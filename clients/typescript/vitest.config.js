// Unit tests without a service by `npm test`; those against a real one by `npm run test:service`.
import { defineConfig } from "vitest/config";

export default defineConfig({
  // A test that hangs is to fail; how fast a busy machine is, is not under test.
  test: { include: ["test/*.test.ts"], restoreMocks: true, unstubGlobals: true, testTimeout: 120_000 },
});
