import { randomUUID } from "node:crypto";
import { MongoClient } from "mongodb";
import { mongodbRecordStore } from "../../../src/stores/record/mongodb.ts";
import { recordStoreSuite } from "../../../src/testing/record-store.ts";
import { describeServer } from "../../support/servers.ts";

describeServer("mongodb", "on a server", (url) => {
  recordStoreSuite(
    "mongodb",
    async () => {
      const database = `test_${randomUUID().replaceAll("-", "")}`;
      const client = new MongoClient(url);
      return {
        store: mongodbRecordStore({ client, database }),
        reopen: async () => mongodbRecordStore({ uri: url, database }),
        lentClientWorks: async () => (await client.db(database).command({ ping: 1 })).ok === 1,
        async cleanup() {
          await client.db(database).dropDatabase();
          await client.close();
        },
      };
    },
    { unreachable: () => mongodbRecordStore({ uri: "mongodb://127.0.0.1:1/", serverSelectionTimeoutMs: 1_000 }) },
  );
});
