import type { ImportedMessage } from "../domain/memory.ts";
import { readText } from "./text-file.ts";

export async function* readChatgpt(file: string): AsyncGenerator<ImportedMessage> {
  for await (const _ of readText(file)) throw new Error("not written yet");
}
