// What runs against a real service and, in part, in a real browser: DATELINE and CHROMIUM name the programs.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/{service,browser}/*.test.ts"], testTimeout: 240_000, hookTimeout: 120_000 },
});
