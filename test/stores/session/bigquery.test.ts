import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { StoredMessage } from "../../../src/domain/session-store.ts";
import { bigqueryArchiveStore } from "../../../src/stores/archive/bigquery.ts";
import { bigquerySessionStore } from "../../../src/stores/session/bigquery.ts";
import { sessionStoreSuite } from "../../../src/testing/session-store.ts";
import { describeServer } from "../../support/servers.ts";

/** The emulator keeps a catalog for each project, which grows. */
const newProject = () => `test-${randomUUID().slice(0, 8)}`;

describeServer("bigquery", "bigquery", (apiEndpoint) => {
  const inDataset = () => {
    const projectId = newProject();
    const dataset = `test_${randomUUID().replaceAll("-", "_")}`;
    const options = { projectId, dataset, apiEndpoint, timeoutMs: 100_000 };
    const path = `${apiEndpoint}/bigquery/v2/projects/${projectId}/datasets/${dataset}`;
    const cleanup = async () => void (await fetch(`${path}?deleteContents=true`, { method: "DELETE" }));
    return { options, path, cleanup };
  };

  sessionStoreSuite(
    "bigquery",
    async () => {
      const { options, cleanup } = inDataset();
      const store = bigquerySessionStore(options);
      return { store, reopen: async () => bigquerySessionStore(options), cleanup, isSlow: true };
    },
    {
      unreachable: () => bigquerySessionStore({ projectId: newProject(), apiEndpoint: "http://127.0.0.1:59321", timeoutMs: 2_000 }),
      timeoutMs: 120_000,
    },
  );

  const slow = { timeout: 120_000 };

  test("tables are partitioned by day, clustered by whose rows they hold, and expire when asked to", slow, async () => {
    const { options, path, cleanup } = inDataset();
    const store = bigquerySessionStore({ ...options, retentionDays: 30 });
    await store.open();
    const table = (await (await fetch(`${path}/tables/messages`)).json()) as Record<string, unknown>;
    expect(table.timePartitioning).toMatchObject({ type: "DAY", field: "created_at", expirationMs: String(30 * 86_400_000) });
    expect(table.clustering).toEqual({ fields: ["tenant", "user_id", "conversation_id", "message_id"] });
    await store.close();
    await cleanup();
  });

  describe("archive", () => {
    const entry = (id: string, content: string): StoredMessage & { tenant: string } => ({
      tenant: "acme",
      resourceId: "bot",
      importance: 0.5,
      toolIds: null,
      message: {
        id,
        conversationId: "c",
        userId: "ann",
        seq: Number(id),
        role: "user",
        name: undefined,
        content,
        parts: [{ type: "text", text: content }],
        metadata: { k: "'\"`@p0" },
        createdAt: new Date(1_700_000_000_000),
      },
    });

    test("a message that is written again is one message, as it was written last; what is removed is gone", slow, async () => {
      const { options, cleanup } = inDataset();
      const archive = bigqueryArchiveStore(options);
      const reader = bigquerySessionStore(options);
      const scope = { tenant: "acme", userId: "ann", resourceId: undefined };
      await archive.write([entry("1", "one"), entry("2", "two")]);
      await archive.write([entry("2", "two again")]);
      const rows = await reader.exportMessages(scope, undefined, 10);
      expect(rows.map(({ message }) => message)).toEqual([entry("1", "one").message, entry("2", "two again").message]);
      await archive.remove({ tenant: "acme", userId: "ann", conversationId: "c", messageIds: ["1"] });
      await archive.remove({ tenant: "acm", userId: "ann" });
      expect((await reader.exportMessages(scope, undefined, 10)).map(({ message }) => message.id)).toEqual(["2"]);
      await archive.remove({ tenant: "acme" });
      expect(await reader.exportMessages(scope, undefined, 10)).toEqual([]);
      await archive.write([]);
      await archive.close();
      await expect(archive.write([])).rejects.toMatchObject({ code: "closed" });
      await reader.close();
      await cleanup();
    });

    test("more than one statement holds is written in several", slow, async () => {
      const { options, cleanup } = inDataset();
      const archive = bigqueryArchiveStore(options);
      const large = "x".repeat(3_000_000);
      await archive.write(["1", "2", "3"].map((id) => entry(id, large)));
      const reader = bigquerySessionStore(options);
      const stats = await reader.stats({ tenant: "acme", userId: undefined, resourceId: undefined });
      expect(stats.messages).toBe(3);
      await archive.close();
      await reader.close();
      await cleanup();
    });
  });
});
