import { randomUUID } from "node:crypto";
import { MongoClient } from "mongodb";
import { mongodbSessionStore } from "../../../src/stores/session/mongodb.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { describeServer } from "../../support/servers.ts";

describeServer("mongodb", "on a server", (url) => {
  sessionStoreSuite(
    "mongodb",
    async () => {
      const database = `test_${randomUUID().replaceAll("-", "")}`;
      const client = new MongoClient(url);
      return {
        store: mongodbSessionStore({ client, database }),
        reopen: async () => mongodbSessionStore({ uri: url, database }),
        lentClientWorks: async () => (await client.db(database).command({ ping: 1 })).ok === 1,
        async cleanup() {
          await client.db(database).dropDatabase();
          await client.close();
        },
      };
    },
    { unreachable: () => mongodbSessionStore({ uri: "mongodb://127.0.0.1:1/", serverSelectionTimeoutMs: 1_000 }) },
  );
});
