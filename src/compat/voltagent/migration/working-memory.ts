import type { ImportContext } from "./conversations.ts";
export async function importWorkingMemory(_context: ImportContext, _language: string): Promise<readonly (string | number)[] | undefined> {
  return undefined;
}
