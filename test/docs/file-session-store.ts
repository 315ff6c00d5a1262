import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { documentSessionStore } from "../../src/stores/session/document.ts";

/** Conversations as JSON files, for one process at a time. */
export function fileSessionStore({ directory }: { readonly directory: string }) {
  const pathOf = (key: string) => join(directory, `${key}.json`);

  const find = (key: string) => {
    if (!existsSync(pathOf(key))) return undefined;
    const value = readFileSync(pathOf(key), "utf8");
    return { value, version: createHash("sha256").update(value).digest("hex") };
  };

  return documentSessionStore({
    name: "files",
    read: async (key) => find(key),

    async write(key, value, ifVersion) {
      if (find(key)?.version !== ifVersion) return false;
      mkdirSync(dirname(pathOf(key)), { recursive: true });
      writeFileSync(`${pathOf(key)}.draft`, value, { flush: true });
      renameSync(`${pathOf(key)}.draft`, pathOf(key));
      return true;
    },

    async delete(key, ifVersion) {
      if (find(key)?.version !== ifVersion) return false;
      rmSync(pathOf(key));
      return true;
    },

    async list(prefix) {
      if (!existsSync(join(directory, prefix))) return [];
      const names = readdirSync(join(directory, prefix)).filter((name) => name.endsWith(".json"));
      return names.map((name) => prefix + name.slice(0, -".json".length));
    },
  });
}
