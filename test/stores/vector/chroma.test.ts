import { randomUUID } from "node:crypto";
import { chromaVectorStore } from "../../../src/stores/vector/chroma.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { describeServer } from "../../support/servers.ts";
import { tcpProxy } from "../../support/tcp-proxy.ts";

describeServer("chroma", "chroma", (url) => {
  vectorStoreSuite(
    "chromaVectorStore",
    async () => {
      const database = `test_${randomUUID()}`;
      const databases = `${url}/api/v2/tenants/default_tenant/databases`;
      const made = await fetch(databases, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: database }),
      });
      if (!made.ok) throw new Error(`no database for the test: HTTP ${made.status}`);
      const proxy = await tcpProxy(url);
      return {
        store: chromaVectorStore({ url: proxy.url, database }),
        restart: () => proxy.restart(),
        reopen: () => chromaVectorStore({ url, database }),
        unreachable: () => chromaVectorStore({ url: "http://127.0.0.1:1" }),
        dispose: async () => {
          await proxy.close();
          await fetch(`${databases}/${database}`, { method: "DELETE" });
        },
      };
    },
    { indexed: true },
  );
});
