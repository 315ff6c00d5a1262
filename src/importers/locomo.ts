import { InvalidArgumentError } from "../domain/errors.ts";
import type { ImportedMessage } from "../domain/transfer.ts";
import { readJsonArray } from "./json-array.ts";
import { asArray, asObject, asText, type JsonObject } from "./json-value.ts";

const minuteMs = 60_000;
const months = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

/**
 * The turns of a LoCoMo file, a public benchmark of long conversations. One user per sample, each session a
 * conversation `<sample>/session_<n>`, a minute between two turns. A shared photo's caption stands behind the text.
 *
 * @throws InvalidArgumentError for a file of another shape
 */
export async function* readLocomo(file: string): AsyncGenerator<ImportedMessage> {
  let index = 0;
  for await (const element of readJsonArray(file)) {
    const sample = asObject(element);
    const conversation = asObject(sample?.conversation);
    if (conversation === undefined) throw invalid(file, `element ${index + 1} has no "conversation"`);
    const userId = asText(sample?.sample_id) ?? `conv-${index + 1}`;
    for (const session of sessionNumbers(conversation)) yield* sessionTurns(file, userId, conversation, session);
    index++;
  }
}

/** Numbers of the sessions that have turns, in order of time: 2 before 10. */
function sessionNumbers(conversation: JsonObject): number[] {
  return Object.keys(conversation)
    .filter((key) => /^session_\d+$/.test(key) && Array.isArray(conversation[key]))
    .map((key) => Number(key.slice("session_".length)))
    .sort((a, b) => a - b);
}

function* sessionTurns(file: string, userId: string, conversation: JsonObject, session: number): Generator<ImportedMessage> {
  const start = parseLocomoDate(conversation[`session_${session}_date_time`]);
  if (start === undefined) throw invalid(file, `session_${session} of ${userId} has no date like "1:56 pm on 8 May, 2023"`);
  for (const [position, element] of asArray(conversation[`session_${session}`]).entries()) {
    const turn = asObject(element);
    if (turn === undefined) throw invalid(file, `turn ${position + 1} of session_${session} of ${userId} is not an object`);
    const text = asText(turn.text) ?? "";
    const caption = asText(turn.blip_caption);
    yield {
      userId,
      conversation: `${userId}/session_${session}`,
      id: asText(turn.dia_id) ?? `D${session}:${position + 1}`,
      role: turn.speaker === conversation.speaker_b ? "assistant" : "user",
      name: asText(turn.speaker),
      content: caption === undefined ? text : `${text} [image: ${caption}]`.trimStart(),
      createdAt: new Date(start + position * minuteMs).toISOString(),
      ...(caption === undefined ? {} : { metadata: { image: caption } }),
    };
  }
}

/** "1:56 pm on 8 May, 2023" as epoch milliseconds, read as UTC; undefined when it is not such a date. */
export function parseLocomoDate(value: unknown): number | undefined {
  if (typeof value !== "string") return undefined;
  const match = /^\s*(\d{1,2}):(\d{2})\s*([ap])m\s+on\s+(\d{1,2})\s+([a-z]+),?\s+(\d{4})\s*$/i.exec(value);
  if (match === null) return undefined;
  const [, hour = "", minute = "", half = "", day = "", month = "", year = ""] = match;
  const monthIndex = months.indexOf(month.toLowerCase());
  if (monthIndex < 0 || Number(hour) < 1 || Number(hour) > 12 || Number(minute) > 59) return undefined;
  const hours = (Number(hour) % 12) + (half.toLowerCase() === "p" ? 12 : 0);
  const date = new Date(Date.UTC(Number(year), monthIndex, Number(day), hours, Number(minute)));
  return date.getUTCDate() === Number(day) ? date.getTime() : undefined;
}

function invalid(file: string, reason: string): InvalidArgumentError {
  return new InvalidArgumentError("file", `${JSON.stringify(file)} is not a LoCoMo file: ${reason}`);
}
