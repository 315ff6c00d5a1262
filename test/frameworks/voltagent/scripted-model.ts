import type { LanguageModelV3CallOptions, LanguageModelV3Content, LanguageModelV3StreamPart } from "@ai-sdk/provider";
import { simulateReadableStream } from "ai";
import { MockLanguageModelV3 } from "ai/test";

export type Prompt = LanguageModelV3CallOptions["prompt"];

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

let calls = 0;

/** What a scripted model says next: a text, or calls of tools. */
export type Answer = string | readonly { readonly tool: string; readonly input: unknown }[];

/** A model of the AI SDK that answers by a function of the prompt, and keeps the prompts it was given. */
export function scriptedModel(answer: (prompt: Prompt) => Answer): MockLanguageModelV3 & { readonly prompts: Prompt[] } {
  const prompts: Prompt[] = [];
  const next = (prompt: Prompt) => {
    prompts.push(prompt);
    const content = contentOf(answer(prompt));
    const isCall = content.some(({ type }) => type === "tool-call");
    return { content, finishReason: { unified: isCall ? ("tool-calls" as const) : ("stop" as const), raw: undefined } };
  };
  const model = new MockLanguageModelV3({
    doGenerate: async ({ prompt }) => ({ ...next(prompt), usage, warnings: [] }),
    doStream: async ({ prompt }) => {
      const { content, finishReason } = next(prompt);
      const chunks: LanguageModelV3StreamPart[] = [
        { type: "stream-start", warnings: [] },
        ...content.flatMap(chunksOf),
        { type: "finish", finishReason, usage },
      ];
      return { stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }) };
    },
  });
  return Object.assign(model, { prompts });
}

function contentOf(answer: Answer): LanguageModelV3Content[] {
  if (typeof answer === "string") return [{ type: "text", text: answer }];
  return answer.map(({ tool, input }) => ({
    type: "tool-call",
    toolCallId: `call-${++calls}`,
    toolName: tool,
    input: JSON.stringify(input),
  }));
}

function chunksOf(content: LanguageModelV3Content): LanguageModelV3StreamPart[] {
  if (content.type !== "text") return [content as LanguageModelV3StreamPart];
  return [
    { type: "text-start", id: "text" },
    { type: "text-delta", id: "text", delta: content.text },
    { type: "text-end", id: "text" },
  ];
}

/** The text of the last user message, and whether anything came after it. */
export function lastQuestion(prompt: Prompt): { readonly text: string; readonly isAnswered: boolean } {
  const place = prompt.findLastIndex(({ role }) => role === "user");
  const message = prompt[place];
  const text = message?.role === "user" ? message.content.map((part) => (part.type === "text" ? part.text : "")).join("") : "";
  return { text, isAnswered: prompt.slice(place + 1).some(({ role }) => role === "tool") };
}

/** All the text of a prompt. */
export function textOf(prompt: Prompt): string {
  return JSON.stringify(prompt);
}
