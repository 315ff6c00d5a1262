import { readChatgpt } from "./chatgpt.ts";
import { readClaude } from "./claude.ts";
import type { Importer } from "./import-format.ts";
import { readJsonl } from "./jsonl.ts";
import { readLocomo } from "./locomo.ts";

/** Importers by the name of their format. A new one is one file and one line here. */
export const importers = {
  jsonl: readJsonl,
  chatgpt: readChatgpt,
  claude: readClaude,
  locomo: readLocomo,
} satisfies Record<string, Importer>;

export type FormatName = keyof typeof importers;
