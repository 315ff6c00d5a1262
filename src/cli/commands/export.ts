import type { Command } from "commander";
import { withMemory } from "../open-memory.ts";
import { filled } from "../option-parsers.ts";
import { print } from "../output.ts";
import type { GlobalFlags } from "../settings.ts";

/** Lines are written this many characters at a time. */
const pieceLength = 64 * 1024;

export function addExport(program: Command): void {
  program
    .command("export")
    .description("print every message as JSON lines, which import reads")
    .option("--user <id>", "of this user only", filled)
    .action(async (_own: unknown, command: Command) => {
      const { user: userId, ...flags } = command.optsWithGlobals<GlobalFlags & { readonly user?: string }>();
      await withMemory(flags, "manual", async (memory) => {
        let piece = "";
        for await (const message of memory.export({ userId })) {
          piece += `${JSON.stringify(message)}\n`;
          if (piece.length < pieceLength) continue;
          await print(piece);
          piece = "";
        }
        await print(piece);
      });
    });
}
