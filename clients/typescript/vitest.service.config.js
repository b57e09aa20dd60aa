// What runs against a real service: DATELINE names the program.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/service/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
});
