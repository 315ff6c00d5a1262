import type { ContextMessage, ContextOmission, ContextPart } from "../../domain/context.ts";
import type { Message } from "../../domain/message.ts";
import { isRecalledPart } from "../../domain/recalled.ts";
import { closedExchanges, matches, type Piece, piecesOf } from "./model-messages.ts";
import type { Count } from "./tokens.ts";

/** What model interfaces add to each message, about. */
export const messageTokens = 4;
/** What a file or an image takes, about: nobody can tell from its bytes. */
const fileTokens = 1_000;

/** The newest messages of a conversation, as far back as there is room. */
export interface RecentWindow {
  /** Oldest first, as many as fit, never a part of a tool exchange. The newest turn may take up to `mostOfNewest`. */
  take(most: number, mostOfNewest: number): TakenMessages;
  /** Messages that no model takes. */
  readonly unusable: readonly ContextOmission[];
  /** What is left when these were taken. */
  left(taken: TakenMessages): ContextOmission[];
}

export interface TakenMessages {
  readonly messages: readonly Message[];
  readonly pieces: readonly (readonly Piece[])[];
  /** At least what they take. */
  readonly tokens: number;
}

const none: TakenMessages = { messages: [], pieces: [], tokens: 0 };

/**
 * @param messages oldest first, tool exchanges whole
 * @param mostMessages of what is taken, unless the newest turn has more
 */
export function recentWindow(messages: readonly Message[], mostMessages: number, count: Count): RecentWindow {
  const pieces = closedExchanges(messages.map((message) => (isSystem(message) ? [] : piecesOf(message))));
  const usable = messages.flatMap((message, place) => {
    const own = pieces[place] as readonly Piece[];
    return own.length === 0 ? [] : [{ message, pieces: own }];
  });
  const isWhole = wholeStarts(usable.map((one) => one.pieces));
  const costs: number[] = [];
  const cost = (place: number) => (costs[place] ??= costOf((usable[place] as (typeof usable)[number]).pieces, count));

  /** From which place on the messages fit: before that of a user when there is one, as an answer alone says little. */
  function start(most: number): { readonly place: number; readonly tokens: number } | undefined {
    let tokens = 0;
    let any: { place: number; tokens: number } | undefined;
    let users: typeof any;
    for (let place = usable.length - 1; place >= Math.max(0, usable.length - mostMessages); place--) {
      tokens += cost(place);
      if (tokens > most) break;
      if (!isWhole(place)) continue;
      any = { place, tokens };
      if (isOfUser(usable[place]?.pieces)) users = any;
    }
    return users ?? any;
  }

  /** Where the newest turn begins. */
  function newest(most: number): ReturnType<typeof start> {
    let tokens = 0;
    let any: { place: number; tokens: number } | undefined;
    for (let place = usable.length - 1; place >= 0; place--) {
      tokens += cost(place);
      if (tokens > most) break;
      if (!isWhole(place)) continue;
      any ??= { place, tokens };
      if (isOfUser(usable[place]?.pieces)) return { place, tokens };
    }
    return any;
  }

  return {
    take(most, mostOfNewest) {
      const found = start(most) ?? newest(mostOfNewest);
      if (found === undefined) return none;
      const taken = usable.slice(found.place);
      return { messages: taken.map(({ message }) => message), pieces: taken.map((one) => one.pieces), tokens: found.tokens };
    },
    unusable: messages.flatMap((message, place) =>
      pieces[place]?.length === 0 ? [omission(message, whyUnusable(message), undefined)] : [],
    ),
    left: (taken) =>
      usable.slice(0, usable.length - taken.messages.length).map(({ message }, place) => omission(message, "budget", costs[place])),
  };
}

/** Whether a window may begin at a place: no tool exchange begins before it and ends in it. */
function wholeStarts(stored: readonly (readonly Piece[])[]): (place: number) => boolean {
  const inside = new Set<number>();
  for (const { from, to } of matches(stored)) for (let place = from + 1; place <= to; place++) inside.add(place);
  return (place) => !inside.has(place);
}

const isOfUser = (pieces: readonly Piece[] | undefined) => pieces?.some(({ role }) => role === "user") === true;

/** Each step and each result may begin a message of its own. */
function costOf(pieces: readonly Piece[], count: Count): number {
  return pieces.reduce(
    (sum, piece) =>
      sum +
      (piece.role === "step" || piece.role === "tool" ? messageTokens : 0) +
      (piece.role === "step" ? 0 : partTokens(piece.part, count)),
    messageTokens,
  );
}

export function tokensOf(messages: readonly ContextMessage[], count: Count): number {
  return messages.reduce(
    (sum, { content }) =>
      sum + messageTokens + (content as readonly ContextPart[]).reduce((parts, part) => parts + partTokens(part, count), 0),
    0,
  );
}

function partTokens(part: ContextPart, count: Count): number {
  if (part.type === "text" || part.type === "reasoning") return count(part.text);
  if (part.type === "file" || part.type === "image") return fileTokens;
  const payload = part.type === "tool-call" ? part.input : part.output;
  return count(part.toolName) + count(part.toolCallId) + count(JSON.stringify(payload) ?? "");
}

const isSystem = ({ role }: Message) => role === "system" || role === "developer";

function whyUnusable(message: Message): ContextOmission["reason"] {
  if (isSystem(message)) return "system";
  return message.parts.some(isRecalledPart) ? "recalled" : "incomplete";
}

function omission({ id, conversationId }: Message, reason: ContextOmission["reason"], tokens: number | undefined): ContextOmission {
  return { kind: "recent", id, conversationId, reason, tokens };
}
