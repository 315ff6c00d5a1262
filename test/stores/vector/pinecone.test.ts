import { pineconeVectorStore } from "../../../src/stores/vector/pinecone.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";
import { pineconeServer } from "../../support/pinecone-server.ts";

vectorStoreSuite(
  "pineconeVectorStore, by contract",
  async () => {
    const server = await pineconeServer({ lagMs: 10 });
    const options = { apiKey: "pinecone-key", controllerUrl: server.controllerUrl };
    return {
      store: pineconeVectorStore(options),
      reopen: () => pineconeVectorStore(options),
      unreachable: () => pineconeVectorStore({ ...options, controllerUrl: "http://127.0.0.1:1" }),
      dispose: () => server.close(),
    };
  },
  {
    except: {
      "takes another space while it holds nothing": "an index has one length for good, and the store never deletes an index",
    },
  },
);
