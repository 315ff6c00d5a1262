import type { Command } from "commander";
import { BackendError } from "../../domain/errors.ts";
import { withMemory } from "../open-memory.ts";
import { printJson, printLine } from "../output.ts";
import { describePlace, type GlobalFlags } from "../settings.ts";

export function addMigrate(program: Command): void {
  program
    .command("migrate")
    .description("connect, and bring our tables up to date")
    .action(async (_own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<GlobalFlags>();
      await withMemory(flags, "manual", async (memory, options) => {
        await memory.ready();
        const health = await memory.health();
        if (!health.ok) throw new BackendError(health.store, "migrate", health.problem ?? "is not well");
        if (flags.json) return printJson(health);
        const versions = Object.entries(health.versions).map(([name, version]) => `${name} ${version}`);
        await printLine(`The tables are up to date in ${describePlace(options)} (${versions.join(", ")}).`);
      });
    });
}
