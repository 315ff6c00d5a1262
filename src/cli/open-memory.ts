import { createMemory, type Memory, type MemoryOptions } from "../index.ts";
import { readEnvironment } from "./environment.ts";
import { note } from "./output.ts";
import { type GlobalFlags, memoryOptions } from "./settings.ts";

/** Opens the memory that the flags mean for the time of `use`, and closes it whatever happens: else the process would not end. */
export async function withMemory<Value>(
  flags: GlobalFlags,
  worker: "background" | "manual",
  use: (memory: Memory, options: MemoryOptions) => Promise<Value>,
): Promise<Value> {
  const options = await memoryOptions(flags, readEnvironment());
  const memory = createMemory({ logger: { warn: note, error: note }, ...options, worker });
  try {
    return await use(memory, options);
  } finally {
    await memory.close();
    await endClient(options);
  }
}

/** A client that a configuration module made is lent to the memory, which leaves it open: open, it would keep the process. */
async function endClient({ client, sessions }: MemoryOptions): Promise<void> {
  const lent = sessions === undefined ? client : "client" in sessions ? sessions.client : sessions;
  if (lent === undefined || "append" in lent) return;
  if ("end" in lent && typeof lent.end === "function") await lent.end();
  else if ("close" in lent && typeof lent.close === "function") await lent.close();
}
