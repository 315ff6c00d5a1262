import { InvalidArgumentError } from "../domain/errors.ts";
import type { ImportedMessage } from "../domain/memory.ts";
import { asArray, asText, isObject, type JsonObject } from "./import-format.ts";
import { readJsonValues } from "./json-values.ts";

const months = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const minuteMs = 60_000;

/**
 * The LoCoMo data set: long conversations of two people, in sessions. Each sample is a user (`conv-26`), each session a
 * conversation (`conv-26/session_1`); the first speaker has the role `user`, the second `assistant`. A turn's time is
 * its session's date plus a minute a turn. What a shared picture shows is kept in the metadata, not in the text.
 *
 * @throws InvalidArgumentError when the file is something else
 */
export async function* readLocomo(file: string): AsyncIterable<ImportedMessage> {
  let place = 0;
  for await (const sample of readJsonValues(file)) {
    place++;
    if (!isObject(sample) || !isObject(sample.conversation)) {
      throw new InvalidArgumentError(`sample ${place}`, 'has no "conversation": this is not LoCoMo');
    }
    yield* turnsOf(asText(sample.sample_id) ?? `conv-${place}`, sample.conversation);
  }
}

function* turnsOf(sample: string, conversation: JsonObject): Iterable<ImportedMessage> {
  for (const session of sessionsOf(conversation)) {
    const begin = parseDate(conversation[`${session}_date_time`], `${sample}/${session}`);
    let minute = 0;
    for (const turn of asArray(conversation[session])) {
      if (!isObject(turn)) continue;
      const name = asText(turn.speaker);
      const { speaker, dia_id, text, ...picture } = turn;
      yield {
        userId: sample,
        conversation: `${sample}/${session}`,
        title: session.replace("_", " "),
        id: asText(dia_id) ?? `${session}:${minute + 1}`,
        role: speaker === conversation.speaker_b ? "assistant" : "user",
        ...(name === undefined ? {} : { name }),
        content: typeof text === "string" ? text : "",
        createdAt: new Date(begin + minute++ * minuteMs),
        metadata: picture,
      };
    }
  }
}

/** `session_1`, `session_2` … in the order of their numbers; some have a date and no turns. */
function sessionsOf(conversation: JsonObject): string[] {
  return Object.keys(conversation)
    .filter((key) => /^session_\d+$/.test(key) && Array.isArray(conversation[key]))
    .sort((one, other) => Number(one.slice("session_".length)) - Number(other.slice("session_".length)));
}

/** Dates like `1:56 pm on 8 May, 2023`, taken as UTC. */
function parseDate(value: unknown, session: string): number {
  const match = /^(\d{1,2}):(\d{2}) ([ap]m) on (\d{1,2}) (\w+),? (\d{4})$/i.exec(String(value).trim());
  const [, hour, minute, half = "", day, month = "", year] = match ?? [];
  const monthIndex = months.indexOf(month.toLowerCase());
  if (monthIndex < 0) throw new InvalidArgumentError(session, 'has no date like "1:56 pm on 8 May, 2023"');
  const hours = (Number(hour) % 12) + (half.toLowerCase() === "pm" ? 12 : 0);
  return Date.UTC(Number(year), monthIndex, Number(day), hours, Number(minute));
}
