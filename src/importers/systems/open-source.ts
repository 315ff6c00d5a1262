import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, ImportSource, SourceSystem } from "../../domain/import-source.ts";

/** How each system is read. A new one is one file and one line here, and its name in `SourceSystem`. */
const systems: Readonly<Record<SourceSystem, (source: ImportFromSource) => Promise<ImportSource>>> = {
  voltagent: async (source) => (await import("./voltagent.ts")).voltagentSource(source),
  langswarm: async (source) => (await import("./langswarm.ts")).langswarmSource(source),
  memorizz: async (source) => (await import("./memorizz.ts")).memorizzSource(source),
  tutorial: async (source) => (await import("./tutorial.ts")).tutorialSource(source),
  mem0: async (source) => (await import("./mem0.ts")).mem0Source(source),
  "mcp-memory": async (source) => (await import("./mcp-memory.ts")).mcpMemorySource(source),
};

export const sourceSystems = Object.keys(systems) as readonly SourceSystem[];

/**
 * What reads a system's data. Nothing is connected to yet.
 *
 * @throws InvalidArgumentError for a system that is not known, or an address it cannot be at
 */
export async function openSource(source: ImportFromSource): Promise<ImportSource> {
  if (typeof source !== "object" || source === null || !Object.hasOwn(systems, source.system))
    throw new InvalidArgumentError("system", `must be one of ${sourceSystems.join(", ")}`);
  const { system, conversations } = source;
  if (conversations !== undefined && !(system === "memorizz" && ["messages", "rows"].includes(conversations)))
    throw new InvalidArgumentError("conversations", 'is "messages" or "rows", of Memorizz alone: leave it out');
  return systems[system](source);
}
