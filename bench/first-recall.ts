// A process of its own for bench/run.ts: node bench/first-recall.ts DIRECTORY [new]. Prints the milliseconds since the process began.
import { createMemory } from "../src/index.ts";

const [dataDir = "", mode] = process.argv.slice(2);
const memory = createMemory({ dataDir });
const mine = memory.scope({ userId: "user-123" });
if (mode === "new") await mine.addMessages("conversation-1", "My name is Priya and I am building a Rust compiler.");
const [hit] = await mine.recall("What am I building?");
const elapsed = performance.now();
if (hit === undefined) throw new Error("nothing was recalled");
console.log(elapsed);
await memory.close();
