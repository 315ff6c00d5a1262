import { InvalidArgumentError } from "../../domain/errors.ts";
import {
  derivationType,
  positionType as factPositionType,
  factType,
  forgottenFactType,
  readingType,
  sourceType,
} from "../facts/fact-record.ts";
import { positionType as importPositionType } from "../import-from/position.ts";
import { forgottenMessageType, messageUseType, messageVersionType } from "../message-history.ts";
import { runType } from "../runs/run-records.ts";
import { eventType, stepType } from "../runs/run-tree.ts";
import { leaseType, summaryType } from "../summaries/summary-record.ts";
import { parseText } from "../validate.ts";
import { entryType, historyType } from "../working-memory/notes.ts";
import { forgottenRecordType } from "./forgotten-record.ts";

const longestType = 512;

/** What memory keeps under types of its own: it is reached by its own calls, and by no others. */
export const ownTypes: readonly string[] = [
  factType,
  sourceType,
  readingType,
  factPositionType,
  derivationType,
  forgottenFactType,
  forgottenRecordType,
  forgottenMessageType,
  messageUseType,
  summaryType,
  leaseType,
  runType,
  stepType,
  eventType,
  entryType,
  historyType,
  messageVersionType,
  importPositionType,
];

/** A type of the caller's. */
export function parseType(type: unknown): string {
  const text = parseText("type", type as string | undefined, longestType);
  if (text === undefined || text === "") throw new InvalidArgumentError("type", "must be a string that is not empty");
  if (ownTypes.includes(text)) throw new InvalidArgumentError("type", `"${text}" is kept by memory itself: choose another`);
  return text;
}
