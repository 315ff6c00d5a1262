import { memoryRecordStore } from "../../../src/stores/record/memory.ts";
import { recordStoreSuite } from "../../../src/testing/record-store.ts";

recordStoreSuite("memory", async () => ({ store: memoryRecordStore() }));
