import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { elasticsearchSessionStore } from "../../../src/stores/session/elasticsearch.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { describeServer } from "../../support/servers.ts";

describeServer("elasticsearch", "elasticsearch", (url) => {
  const place = () => {
    const indexPrefix = `test-${randomUUID()}`;
    const make = () => elasticsearchSessionStore({ hosts: [url], indexPrefix });
    return {
      indexPrefix,
      store: make(),
      reopen: async () => make(),
      async cleanup() {
        const names = ["conversations", "messages", "outbox"].map((name) => `${indexPrefix}-${name}`);
        const answer = await fetch(`${url}/${names.join(",")}?ignore_unavailable=true`, { method: "DELETE" });
        expect(answer.status).toBe(200);
      },
    };
  };

  sessionStoreSuite("elasticsearch", async () => place(), {
    unreachable: () => elasticsearchSessionStore({ hosts: ["http://127.0.0.1:9"], timeoutMs: 2_000 }),
  });

  test("nothing but its own indexes is written", async () => {
    const { store, indexPrefix, cleanup } = place();
    await store.open();
    const names = Object.keys((await (await fetch(`${url}/${indexPrefix}*`)).json()) as object);
    expect(names.sort()).toEqual(["conversations", "messages", "outbox"].map((name) => `${indexPrefix}-${name}`));
    await store.close();
    await cleanup();
  });
});
