import type { ExportedMessage, Memory } from "../../../src/index.ts";

/** All that was said, in order. */
export async function exported(memory: Memory): Promise<ExportedMessage[]> {
  const lines: ExportedMessage[] = [];
  for await (const line of memory.export()) lines.push(line);
  return lines;
}
