import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/**
 * Writes the blocks of a page that need a framework's packages (```typescript) into a folder's `examples`, where
 * they are compiled against our sources. How many there were.
 */
export function writeExamples(page: string, folder: string): number {
  const examples = join(folder, "examples");
  rmSync(examples, { recursive: true, force: true });
  mkdirSync(examples);
  const blocks = [...readFileSync(join(root, page), "utf8").matchAll(/^```typescript\n([\s\S]*?)^```/gm)].map(([, code = ""]) => code);
  blocks.forEach((code, index) => {
    const here = code.replaceAll(/"unforget\/([\w/-]+)"/g, '"../../../../src/$1.ts"');
    writeFileSync(join(examples, `block-${index + 1}.ts`), `${here}\nexport {};\n`);
  });
  return blocks.length;
}
