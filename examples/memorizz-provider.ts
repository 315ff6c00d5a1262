/**
 * The example of Memorizz's PostgreSQL provider: a persona, memories with vectors of your own, a conversation, a tool and an
 * agent. On the server of POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD; without
 * POSTGRES_HOST in an embedded Postgres that is gone afterwards:
 *
 *     node examples/memorizz-provider.ts
 */
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { MemoryType, PostgreSQLConfig, PostgreSQLProvider } from "../src/compat/memorizz.ts";

console.log("🚀 PostgreSQL Memory Provider Example");
console.log("=".repeat(50));

console.log("📡 Connecting to PostgreSQL...");
const embedded = process.env.POSTGRES_HOST === undefined ? new PGlite({ extensions: { vector } }) : undefined;
const provider = new PostgreSQLProvider(new PostgreSQLConfig(embedded === undefined ? {} : { client: embedded }));
await provider.memory.ready();
console.log("✅ Connected successfully!");

console.log("📝 Example 1: Storing a Persona");
const persona = {
  name: "Research Assistant",
  role: "Researcher",
  goals: "Answer with sources",
  background: "Reads papers on agents",
};
console.log(`✅ Stored persona with ID: ${await provider.store(persona, MemoryType.PERSONAS)}`);

console.log("📝 Example 2: Storing a Long-term Memory");
const data = { name: "My Memory", content: "This is important information", embedding: [0.1, 0.2, 0.3] };
const memoryId = await provider.store(data, MemoryType.LONG_TERM_MEMORY);
console.log(`✅ Stored memory with ID: ${memoryId}`);
const retrieved = await provider.retrieveById(memoryId, MemoryType.LONG_TERM_MEMORY);
console.log(`✅ Retrieved: ${retrieved?.name}: ${retrieved?.content}`);

console.log("📝 Example 3: Vector Similarity Search");
await provider.store({ name: "Another Memory", content: "This is about lunch", embedding: [0.9, -0.4, 0.1] }, MemoryType.LONG_TERM_MEMORY);
const similar = await provider.retrieveByQuery({ embedding: [0.1, 0.2, 0.25] }, MemoryType.LONG_TERM_MEMORY, { limit: 5 });
for (const { name, distance } of similar) console.log(`✅ ${name}, at distance ${distance?.toFixed(3)}`);

console.log("📝 Example 4: A Conversation");
await provider.storeMany(
  [
    { role: "user", content: "I am building a compiler in Rust.", memory_id: "memory-1" },
    { role: "assistant", content: "How far is its parser?", memory_id: "memory-1" },
  ],
  MemoryType.CONVERSATION_MEMORY,
);
for (const { role, content } of await provider.retrieveConversationHistoryOrderedByTimestamp("memory-1"))
  console.log(`✅ ${role}: ${content}`);

console.log("📝 Example 5: A Tool");
await provider.store({ name: "get_weather", description: "Tells the weather of a city", parameters: ["city"] }, MemoryType.TOOLBOX);
const [tool] = await provider.retrieveByQuery("weather", MemoryType.TOOLBOX);
console.log(`✅ Found tool: ${tool?.name}`);

console.log("📝 Example 6: An Agent");
const agentId = await provider.storeMemagent({ name: "Assistant", instruction: "You help.", memory_ids: ["memory-1"] });
const agent = await provider.retrieveMemagent(agentId);
console.log(`✅ Stored agent with memories: ${JSON.stringify(agent?.memory_ids)}`);

await provider.close();
await embedded?.close();
console.log("🎉 All examples completed successfully!");
