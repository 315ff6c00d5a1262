import assert from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type MemoryMessage, PostgresStorage, type VoltagentConversation } from "../../../src/compat/voltagent.ts";
import { hashedEmbedder } from "../../../src/embedders/hashed.ts";
import { describeConnections } from "../../support/connections.ts";
import { newId } from "../../support/engines.ts";
import { describeServer } from "../../support/servers.ts";
import { tempDatabase } from "../../support/temp-schema.ts";

// The examples of VoltAgent's page on PostgreSQL memory, as they are there. What a block leaves open (a storage, ids, a
// function) is stated above it; where it only shows calls, what they give is checked below it.

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const text = (id: string, content: string, role = "user"): MemoryMessage => ({
  id,
  role,
  content,
  type: "text",
  createdAt: new Date().toISOString(),
});

describeServer("postgres", "VoltAgent's document: configuration", (url) => {
  test("a connection string", async () => {
    vi.stubEnv("DATABASE_URL", await tempDatabase(url));
    // Using connection string (recommended)
    const memory = new PostgresStorage({
      connection: process.env.DATABASE_URL || "postgresql://postgres:password@localhost:5432/mydb",
      // Optional: Adjust connection pool size
      maxConnections: 10,
      // Optional: Specify a custom base table name prefix
      tablePrefix: "voltagent_memory", // Defaults to 'voltagent_memory'
      // Optional: Storage limit (max number of messages per user/conversation)
      storageLimit: 100, // Defaults to 100
    });
    await memory.addMessage(text("m1", "hello"));
    expect(await memory.getMessages()).toMatchObject([{ id: "m1", content: "hello" }]);
    await memory.close();
  });

  test("a connection object", async () => {
    const { hostname, port, pathname, username, password } = new URL(await tempDatabase(url));
    vi.stubEnv("DB_HOST", hostname);
    vi.stubEnv("DB_PORT", port);
    vi.stubEnv("DB_NAME", pathname.slice(1));
    vi.stubEnv("DB_USER", username);
    vi.stubEnv("DB_PASSWORD", decodeURIComponent(password));
    // Alternative: Using connection object
    const memory = new PostgresStorage({
      connection: {
        host: process.env.DB_HOST || "localhost",
        port: parseInt(process.env.DB_PORT || "5432"),
        database: process.env.DB_NAME || "mydb",
        user: process.env.DB_USER || "postgres",
        password: process.env.DB_PASSWORD,
        ssl: process.env.NODE_ENV === "production", // Enable SSL for production
      },
      maxConnections: 10,
      tablePrefix: "voltagent_memory",
      storageLimit: 100,
    });
    await memory.addMessage(text("m1", "hello"));
    expect(await memory.getMessages()).toHaveLength(1);
    await memory.close();
  });

  test("automatic migration, and manual control over it", async () => {
    vi.stubEnv("DATABASE_URL", await tempDatabase(url));
    const log = vi.spyOn(console, "log").mockReturnValue();
    // Migration happens automatically on initialization
    const storage = new PostgresStorage({
      connection: process.env.DATABASE_URL,
    });

    // Check migration status
    const result = await storage.migrateConversationSchema({
      createBackup: true,
      deleteBackupAfterSuccess: false,
    });

    if (result.success) {
      console.log(`Migrated ${result.migratedCount} conversations`);
    } else {
      console.error("Migration failed:", result.error);
    }

    // Migration with custom options
    await storage.migrateConversationSchema({
      createBackup: true,
      deleteBackupAfterSuccess: true,
    });
    expect(log).toHaveBeenCalledWith("Migrated 0 conversations");
    await storage.close();
  });
});

describeConnections("VoltAgent's document", (place) => {
  let made: PostgresStorage | undefined;
  const open = () => {
    const { connection, schema } = place;
    made ??= place.opened(new PostgresStorage({ connection, schema, embedding: hashedEmbedder() }));
    return made;
  };

  /** Conversations of the document's user, one after the other. */
  async function conversationsOf(userId: string, count: number, fields: Partial<VoltagentConversation> = {}) {
    const ids = Array.from({ length: count }, () => newId("conversation"));
    for (const id of ids) {
      await open().createConversation({ id, userId, resourceId: "my-agent", title: `Title of ${id}`, ...fields });
      // PGlite's clock counts milliseconds.
      await sleep(2);
    }
    return ids;
  }

  describe("user-centric conversation management", () => {
    test("get a user's conversations", async () => {
      const storage = open();
      const log = vi.spyOn(console, "log").mockReturnValue();
      const [first, second] = await conversationsOf("user-123", 2);
      await conversationsOf("user-456", 1);
      // Get recent conversations for a user
      const conversations = await storage.getConversationsByUserId("user-123", {
        limit: 50,
        orderBy: "updated_at",
        orderDirection: "DESC",
      });

      // Display in sidebar like ChatGPT
      conversations.forEach((conv) => {
        console.log(`${conv.title} - ${conv.updatedAt}`);
      });
      expect(conversations.map(({ id }) => id)).toEqual([second, first]);
      expect(log.mock.calls[0]?.[0]).toMatch(/^Title of conversation-\d+ - \d{4}-\d\d-\d\dT[\d:.]+Z$/);
    });

    test("the fluent query, and pages", async () => {
      const storage = open();
      const log = vi.spyOn(console, "log").mockReturnValue();
      await conversationsOf("user-123", 12);
      // Fluent query interface
      const recentChats = await storage.getUserConversations("user-123").limit(20).orderBy("updated_at", "DESC").execute();

      // Get paginated conversations
      const page1 = await storage.getPaginatedUserConversations("user-123", 1, 10);
      console.log(`Page 1 of ${page1.hasMore ? "many" : page1.conversations.length}`);
      expect(log).toHaveBeenCalledWith("Page 1 of many");
      expect(page1).toMatchObject({ page: 1, pageSize: 10, conversations: recentChats.slice(0, 10) });
    });
  });

  test("querying conversations", async () => {
    const storage = open();
    const work = await conversationsOf("user-123", 2, { resourceId: "work-agent" });
    const bot = await conversationsOf("user-789", 1, { resourceId: "chatbot-v1" });
    // Query with multiple filters
    const workConversations = await storage.queryConversations({
      userId: "user-123",
      resourceId: "work-agent",
      limit: 25,
      offset: 0,
      orderBy: "created_at",
      orderDirection: "DESC",
    });

    // Get all conversations for a user
    const userConversations = await storage.queryConversations({
      userId: "user-123",
      limit: 50,
    });

    // Get conversations for a specific resource
    const resourceConversations = await storage.queryConversations({
      resourceId: "chatbot-v1",
      limit: 100,
      orderBy: "updated_at",
    });

    // Admin view - get all conversations
    const allConversations = await storage.queryConversations({
      limit: 200,
      orderBy: "created_at",
      orderDirection: "ASC",
    });
    const ids = (conversations: readonly VoltagentConversation[]) => conversations.map(({ id }) => id);
    expect(ids(workConversations)).toEqual(work.toReversed());
    expect(ids(userConversations)).toEqual(expect.arrayContaining(work));
    expect(ids(resourceConversations)).toEqual(bot);
    expect(ids(allConversations).slice(-3)).toEqual([...work, ...bot]);
  });

  test("a conversation's messages, at once and in batches", async () => {
    const storage = open();
    const limitless = place.opened(
      new PostgresStorage({ connection: place.connection, schema: place.schema, storageLimit: 0, embedding: false }),
    );
    await storage.createConversation({ id: "conversation-456", userId: "user-123", resourceId: "my-agent", title: "Long" });
    const input = Array.from({ length: 230 }, (_, index) => text(`m${index}`, `message ${index}`));
    await limitless.addMessages(input, "user-123", "conversation-456");
    const processed: unknown[] = [];
    const processBatch = (some: readonly unknown[]) => processed.push(...some);
    // Get all messages for a conversation
    const messages = await storage.getConversationMessages("conversation-456");

    // Get messages with pagination
    const firstBatch = await storage.getConversationMessages("conversation-456", {
      limit: 50,
      offset: 0,
    });

    // Get next batch
    const nextBatch = await storage.getConversationMessages("conversation-456", {
      limit: 50,
      offset: 50,
    });

    // Process messages in batches for large conversations
    const batchSize = 100;
    let offset = 0;
    let hasMore = true;

    while (hasMore) {
      const batch = await storage.getConversationMessages("conversation-456", {
        limit: batchSize,
        offset: offset,
      });

      // Process batch
      processBatch(batch);

      hasMore = batch.length === batchSize;
      offset += batchSize;
    }
    expect(processed).toMatchObject(input);
    expect(messages).toEqual(processed.slice(0, 100));
    expect([...firstBatch, ...nextBatch]).toEqual(messages);
  });

  test("a multi-tenant application", async () => {
    const storage = open();
    await conversationsOf("user-a", 2);
    await conversationsOf("user-b", 1);
    // Different users can have separate conversation histories
    const userAConversations = await storage.getConversationsByUserId("user-a");
    const userBConversations = await storage.getConversationsByUserId("user-b");

    // Each user only sees their own conversations
    assert(userAConversations.every((c) => c.userId === "user-a"));
    assert(userBConversations.every((c) => c.userId === "user-b"));
    expect([userAConversations.length, userBConversations.length]).toEqual([2, 1]);
  });

  test("a user interface for conversations", async () => {
    const storage = open();
    const [id = ""] = await conversationsOf("user-ui", 1, { title: "", metadata: { preview: "Hello …" } });
    await storage.addMessage(text("m1", "hello"), id);
    // Build a conversation list
    async function getConversationList(userId: string, page: number = 1) {
      const result = await storage.getPaginatedUserConversations(userId, page, 20);

      return {
        conversations: result.conversations.map((conv) => ({
          id: conv.id,
          title: conv.title || "Untitled Conversation",
          lastMessage: conv.updatedAt,
          preview: conv.metadata?.preview || "",
        })),
        hasMore: result.hasMore,
        currentPage: page,
      };
    }

    // Get conversation details when user clicks
    async function openConversation(conversationId: string, userId: string) {
      // Verify user owns this conversation
      const conversation = await storage.getUserConversation(conversationId, userId);
      if (!conversation) {
        throw new Error("Conversation not found or access denied");
      }

      // Load conversation messages
      const messages = await storage.getConversationMessages(conversationId);

      return { conversation, messages };
    }
    expect(await getConversationList("user-ui")).toEqual({
      conversations: [{ id, title: "Untitled Conversation", lastMessage: expect.any(String), preview: "Hello …" }],
      hasMore: false,
      currentPage: 1,
    });
    expect(await openConversation(id, "user-ui")).toMatchObject({ conversation: { id }, messages: [{ id: "m1", content: "hello" }] });
    await expect(openConversation(id, "somebody-else")).rejects.toThrow("access denied");
  });

  test("analytics, and the same in one query", async () => {
    const storage = open();
    const [first = "", second = ""] = await conversationsOf("user-stats", 2);
    await storage.addMessages([text("a", "1"), text("b", "2"), text("c", "3")], "user-stats", first);
    await storage.addMessage(text("d", "4"), "user-stats", second);
    // Get conversation statistics per user
    async function getUserStats(userId: string) {
      const conversations = await storage.getConversationsByUserId(userId);

      const stats = {
        totalConversations: conversations.length,
        thisWeek: conversations.filter((c) => new Date(c.createdAt) > new Date(Date.now() - 7 * 24 * 60 * 60 * 1000)).length,
        averageMessagesPerConversation: 0,
      };

      // Calculate average messages per conversation
      let totalMessages = 0;
      for (const conv of conversations) {
        const messages = await storage.getConversationMessages(conv.id);
        totalMessages += messages.length;
      }

      stats.averageMessagesPerConversation = totalMessages / conversations.length || 0;
      return stats;
    }
    const { conversations, conversationsThisWeek, messagesPerConversation } = await storage.memory.stats({ userId: "user-stats" });
    const expected = { totalConversations: 2, thisWeek: 2, averageMessagesPerConversation: 2 };
    expect(await getUserStats("user-stats")).toEqual(expected);
    expect([conversations, conversationsThisWeek, messagesPerConversation]).toEqual(Object.values(expected));
  });

  test("error handling: an unknown conversation is told by the code of the document", async () => {
    const storage = open();
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const message = text("m1", "hello");
    const [userId, conversationId] = ["user-123", "no-such-conversation"];
    try {
      await storage.addMessage(message, userId, conversationId);
    } catch (caught) {
      // What strict TypeScript wants said; the document goes on from here.
      const error = caught as Error;
      if (error.message.includes("foreign key constraint")) {
        console.error("Conversation does not exist");
      } else {
        console.error("Database error:", error);
      }
    }
    expect(logged.mock.calls).toEqual([["Conversation does not exist"]]);
  });

  test("SQL written against the document's tables reads what was written", async () => {
    const storage = open();
    const [id = ""] = await conversationsOf("user-sql", 1, { metadata: { preview: "p" } });
    await storage.addMessage(text("m1", "hello"), "user-sql", id);
    const tables = `"${place.schema}".voltagent_memory_`;
    const [row] = await place.sql(
      `SELECT c.id, c.resource_id, c.user_id, c.title, c.metadata->>'preview' AS preview, c.created_at <= c.updated_at AS in_order,
        m.conversation_id, m.message_id, m.role, m.content, m.type, m.created_at <= now() AS is_past
      FROM ${tables}conversations c JOIN ${tables}messages m ON m.conversation_id = c.id WHERE c.user_id = $1`,
      ["user-sql"],
    );
    expect(row).toEqual({
      id,
      resource_id: "my-agent",
      user_id: "user-sql",
      title: `Title of ${id}`,
      preview: "p",
      in_order: true,
      conversation_id: id,
      message_id: "m1",
      role: "user",
      content: "hello",
      type: "text",
      is_past: true,
    });
  });
});
