import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { createMemory, type Memory, type MemoryOptions } from "../../index.ts";
import { failure } from "../exit-codes.ts";
import { withMemory } from "../open-memory.ts";
import { printJson, printLine } from "../output.ts";
import { describePlace, embeddedDirectory, type GlobalFlags } from "../settings.ts";
import { count } from "../text-layout.ts";

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was found; when it is not well, what to do. */
  readonly says: string;
}

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("check Node, the place where memory lives, the tables and what is owed, and say what to do")
    .action(async (_own: unknown, command: Command) => {
      const flags = command.optsWithGlobals<GlobalFlags>();
      await withMemory(flags, "manual", async (memory, options) => {
        const findings = [{ check: "node", ok: true, says: process.versions.node }, ...(await examine(memory, options))];
        const isWell = findings.every(({ ok }) => ok);
        if (flags.json) await printJson({ ok: isWell, findings });
        else for (const { check, ok, says } of findings) await printLine(`${ok ? "ok     " : "PROBLEM"} ${check.padEnd(10)} ${says}`);
        if (!isWell) throw new UnwellError();
      }).catch((error) => {
        if (!(error instanceof UnwellError)) throw error;
        process.exitCode = failure;
      });
    });
}
