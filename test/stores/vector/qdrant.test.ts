import { randomUUID } from "node:crypto";
import { qdrantVectorStore } from "../../../src/stores/vector/qdrant.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { describeServer } from "../../support/servers.ts";
import { tcpProxy } from "../../support/tcp-proxy.ts";

describeServer("qdrant", "qdrant", (url) => {
  vectorStoreSuite(
    "qdrantVectorStore",
    async () => {
      const collection = `test ${randomUUID()}`;
      const proxy = await tcpProxy(url);
      return {
        store: qdrantVectorStore({ url: proxy.url, collection }),
        restart: () => proxy.restart(),
        reopen: () => qdrantVectorStore({ url, collection }),
        unreachable: () => qdrantVectorStore({ url: "http://127.0.0.1:1" }),
        dispose: async () => {
          await proxy.close();
          await fetch(`${url}/collections/${encodeURIComponent(collection)}`, { method: "DELETE" });
        },
      };
    },
    { indexed: true },
  );
});
