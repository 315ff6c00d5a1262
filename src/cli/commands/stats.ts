import type { Command } from "commander";
import { withMemory } from "../open-memory.ts";
import { filled } from "../option-parsers.ts";
import { printJson, printLine } from "../output.ts";
import { describePlace, type GlobalFlags } from "../settings.ts";

export function addStats(program: Command): void {
  program
    .command("stats")
    .description("count what is kept, and what still has to be embedded")
    .option("--user <id>", "of this user only", filled)
    .action(async (_own: unknown, command: Command) => {
      const { user: userId, ...flags } = command.optsWithGlobals<GlobalFlags & { readonly user?: string }>();
      await withMemory(flags, "manual", async (memory, options) => {
        const stats = await memory.stats({ userId });
        if (flags.json) return printJson(stats);
        const { owed, embedding, records } = stats;
        const rows: readonly (readonly [string, string | number])[] = [
          ["users", stats.users],
          ["conversations", stats.conversations],
          ["messages", stats.messages],
          ["vectors", stats.vectors],
          ["records", records.count],
          ["owed", `${owed.pending}${owed.failing > 0 ? `, of which ${owed.failing} failed before` : ""}`],
          ...(records.owed ? [["owed records", records.owed] as const] : []),
          ...(owed.lastError === undefined ? [] : [["last error", owed.lastError] as const]),
          ["embedding", embedding === undefined ? "none: words alone" : `${embedding.model}, ${embedding.dimensions ?? "?"} dimensions`],
          ["kept in", describePlace(options)],
        ];
        for (const [name, value] of rows)
          await printLine(`${name.padEnd(14)} ${typeof value === "number" ? value.toLocaleString("en") : value}`);
      });
    });
}
