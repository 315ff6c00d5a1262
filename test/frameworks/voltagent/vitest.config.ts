import { join } from "node:path";
import { defineConfig } from "vitest/config";

// What is proven here runs the sources of this package inside VoltAgent itself. Started by test/frameworks/voltagent.test.ts.
export default defineConfig({
  root: import.meta.dirname,
  resolve: {
    // The sources stand above this folder, and find VoltAgent here.
    alias: { "@voltagent/core": join(import.meta.dirname, "node_modules/@voltagent/core/dist/index.mjs") },
  },
  test: {
    include: ["*.proof.ts"],
    setupFiles: ["./loopback-only.ts"],
    // Elsewhere VoltAgent asks the network for a list of models as soon as it is imported.
    env: { NODE_ENV: "production" },
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
