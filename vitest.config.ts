import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that wait for servers take minutes: begun first, they do not keep one worker busy alone at the end. */
const slow = [
  "session/bigquery",
  "session/elasticsearch",
  "vector/pgvector",
  "vector/redis",
  "core/kill",
  "embedded-processes",
  "frameworks/voltagent",
];

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = slow.findIndex((name) => moduleId.includes(`${name}.test`));
      return place === -1 ? slow.length : place;
    };
    return (await super.sort(files)).toSorted((left, right) => rank(left) - rank(right));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/report-servers.ts"],
    // Processes, not threads: a test may kill, fill or block its own. Two of them, because each may start an embedded Postgres.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    sequence: { sequencer: SlowFirst },
  },
});
