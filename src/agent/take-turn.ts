import { modelMessages, piecesOf } from "../core/context/model-messages.ts";
import { validateId } from "../core/messages/normalize-message.ts";
import type { AgentAnswer, AgentCallOptions, AgentMessage, AgentTools } from "../domain/agent.ts";
import type { Context, ContextMessage, ContextOptions } from "../domain/context.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import type { Message, MessageInputObject } from "../domain/message.ts";
import { askModel, loadAi } from "./ask-model.ts";
import type { HandedOut } from "./handed-out.ts";
import type { AgentSettings } from "./settings.ts";
import { type StoredAnswer, storedAnswer } from "./stored-answer.ts";
import { finishBroken } from "./unfinished.ts";

/** One turn to be taken. */
export interface Turn {
  readonly message: AgentMessage;
  readonly call: AgentCallOptions;
  readonly conversationId: string;
  readonly messageId: string;
  readonly out: HandedOut;
}

/** Stores what is asked, recalls, answers, and stores the answer. */
export async function takeTurn(settings: AgentSettings, turn: Turn): Promise<AgentAnswer> {
  const { call, conversationId, messageId, out } = turn;
  const { memory, saveEveryMs } = settings;
  const { userId, signal } = call;
  const question = await storeQuestion(settings, turn);
  const [context, tools] = await Promise.all([
    contextOf(settings, turn, question),
    toolsOf(settings, { userId, conversationId, question }),
    loadAi(),
    finishBroken(memory, userId, conversationId),
  ]);
  const answer = storedAnswer({ memory, userId, conversationId, messageId, saveEveryMs, out });
  const ending = await listen(settings, { context, tools, question, answer, signal });
  const message = await answer.finish(true);
  // An answer that is there does not fail for it.
  if (settings.reinforce === true) await memory.reinforce(context.memories).catch(() => {});
  return { conversationId, text: textOf(message), question, message, context, ...ending };
}

async function storeQuestion({ memory, resourceId }: AgentSettings, { message, call, conversationId }: Turn): Promise<Message> {
  const { userId, signal } = call;
  signal?.throwIfAborted();
  validateId("conversationId", conversationId);
  const said: MessageInputObject = typeof message === "string" ? { content: message } : message;
  if (typeof said !== "object" || said === null || ((said as MessageInputObject).role ?? "user") !== "user")
    throw new InvalidArgumentError("message", "must be a text, or a message of the user's");
  if (isSilent(said)) throw new InvalidArgumentError("message", "must say something: a model takes no empty text, nor memory alone");
  const [question] = await memory.addMessages(conversationId, { ...said, role: "user" }, { userId, resourceId, signal });
  return question as Message;
}

/** Whether nothing would be left of it to ask a model. */
function isSilent({ content, parts = Array.isArray(content) ? content : [{ type: "text", text: content }] }: MessageInputObject): boolean {
  if (!Array.isArray(parts)) return false;
  return piecesOf({ role: "user", parts, content: typeof content === "string" ? content : "" }).length === 0;
}

/** What was said; `content` also names sources and files, by which it is found. */
function textOf(message: Message | undefined): string {
  const texts = message?.parts.flatMap(({ type, text }) => (type === "text" && typeof text === "string" ? [text] : [])) ?? [];
  return texts.join("\n");
}

/** What memory has to say, without what was said just now: it would be found best of all. */
function contextOf({ memory, ...settings }: AgentSettings, { call }: Turn, question: Message): Promise<Context> {
  const { recall, ...options }: ContextOptions = { ...settings.context, ...call.context };
  const { userId, signal } = call;
  const { conversationId, content: query, createdAt: until } = question;
  return memory.context({ ...options, userId, conversationId, query, recall: recall === false ? false : { until, ...recall }, signal });
}

async function toolsOf({ tools }: AgentSettings, turn: Parameters<Extract<AgentSettings["tools"], (...given: never) => unknown>>[0]) {
  return typeof tools === "function" ? tools(turn) : tools;
}

interface Listening {
  readonly context: Context;
  readonly tools: AgentTools | undefined;
  readonly question: Message;
  readonly answer: StoredAnswer;
  readonly signal: AbortSignal | undefined;
}

/** Hands on what the model says until it ends; when it does not end well, what came is stored as interrupted. */
async function listen(settings: AgentSettings, { context, tools, question, answer, signal }: Listening) {
  const { model, instructions, maxSteps } = settings;
  const signals = AbortSignal.any(signal === undefined ? [answer.signal] : [signal, answer.signal]);
  let finishReason: string | undefined;
  let usage: unknown;
  try {
    const system = `${instructions}\n\n${context.instructions}`.trim();
    const call = { model, system, messages: asked(context, question), tools, maxSteps, settings: settings.settings, signal: signals };
    for await (const part of askModel(call)) {
      if (part.type === "finish") {
        finishReason = part.finishReason as string | undefined;
        usage = part.totalUsage;
      }
      answer.take(part);
    }
    return { finishReason, usage };
  } catch (error) {
    // Why it did not end well is what is told; what was handed out is stored already.
    await answer.finish(false).catch(() => {});
    // Whatever a provider throws when it is stopped.
    throw signals.aborted ? signals.reason : error;
  }
}

/** The question stands at the end, also when it was too long for the window or is asked again. */
function asked({ messages, sources }: Context, question: Message): readonly ContextMessage[] {
  const last = sources.at(-1);
  const isThere = last?.kind === "recent" && last.id === question.id;
  return isThere ? messages : [...messages, ...modelMessages([piecesOf(question)])];
}
