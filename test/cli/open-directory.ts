import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemory, type ExportedMessage, type Memory } from "../../src/index.ts";

export interface OpenDirectory extends AsyncDisposable {
  readonly path: string;
  /** What is stored of a user. */
  stored(userId: string): Promise<ExportedMessage[]>;
}

/**
 * A directory whose ./.unforget this process holds open: the commands run in it talk to this process instead of starting
 * a Postgres each, which takes a fifth of the time. `before` runs while it is nobody's.
 */
export async function openDirectory(before?: (path: string) => Promise<void>): Promise<OpenDirectory> {
  const path = mkdtempSync(join(tmpdir(), "unforget-test-"));
  let memory: Memory | undefined;
  const dispose = async () => {
    await memory?.close();
    rmSync(path, { recursive: true, force: true });
  };
  try {
    await before?.(path);
    // By hand, or it would embed what the commands leave to a worker.
    memory = createMemory({ dataDir: join(path, ".unforget"), worker: "manual" });
    await memory.ready();
  } catch (error) {
    await dispose();
    throw error;
  }
  const opened = memory;
  return {
    path,
    async stored(userId) {
      const messages: ExportedMessage[] = [];
      for await (const message of opened.export({ userId })) messages.push(message);
      return messages;
    },
    [Symbol.asyncDispose]: dispose,
  };
}
