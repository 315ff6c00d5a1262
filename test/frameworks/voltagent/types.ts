import { Agent, BaseRetriever, Memory, type StorageAdapter, type VectorAdapter } from "@voltagent/core";
import type { UIMessage } from "ai";
import {
  PostgreSQLMemoryAdapter,
  PostgreSQLVectorAdapter,
  PostgresVectorAdapter,
  recallRetriever,
} from "../../../src/adapters/voltagent.ts";

// Compiled and never run: VoltAgent's own types take our classes.

const connection = "postgres://localhost/app";
const storage = new PostgreSQLMemoryAdapter({ connection }) satisfies StorageAdapter;
const vector = new PostgreSQLVectorAdapter({ connection }) satisfies VectorAdapter;

export const memory = new Memory({ storage, vector, embedding: "openai/text-embedding-3-small" });
export const alias: VectorAdapter = new PostgresVectorAdapter({ connection: { host: "localhost", database: "app", ssl: true } });
export const messages: Promise<UIMessage<{ createdAt: Date }>[]> = storage.getMessages("user", "conversation");
export const retriever: BaseRetriever = recallRetriever(BaseRetriever, storage.memory, { limit: 3 });
export const agent = new Agent({ name: "A", instructions: "B", model: "openai/gpt-4o", memory, retriever, tools: [retriever.tool] });
