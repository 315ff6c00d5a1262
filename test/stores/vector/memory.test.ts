import { memoryVectorStore } from "../../../src/stores/vector/memory.ts";
import { vectorStoreSuite } from "../../../src/testing/vector-store.ts";

vectorStoreSuite("memory vector store", () => memoryVectorStore());
