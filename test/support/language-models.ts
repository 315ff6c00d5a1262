import { MockLanguageModelV3 } from "ai/test";

export interface ScriptedModel {
  readonly model: MockLanguageModelV3;
  /** What it was asked: system text and prompt, of each call. */
  readonly asked: string[];
  /** Calls wait until it is opened. */
  shut(): void;
  open(): void;
}

/** A language model that says what it is told to; an error is thrown. */
export function scriptedModel(answer: () => string | Error): ScriptedModel {
  const asked: string[] = [];
  let gate: PromiseWithResolvers<void> | undefined;
  const model = new MockLanguageModelV3({
    doGenerate: async ({ prompt, abortSignal }) => {
      asked.push(JSON.stringify(prompt));
      const aborted = new Promise<never>((_, reject) => abortSignal?.addEventListener("abort", () => reject(abortSignal.reason)));
      aborted.catch(() => {});
      if (gate !== undefined) await Promise.race([gate.promise, aborted]);
      const text = answer();
      if (text instanceof Error) throw text;
      return {
        content: [{ type: "text", text }],
        finishReason: { unified: "stop", raw: undefined },
        usage: {
          inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
          outputTokens: { total: 1, text: 1, reasoning: undefined },
        },
        warnings: [],
      };
    },
  });
  return {
    model,
    asked,
    shut() {
      gate = Promise.withResolvers();
    },
    open() {
      gate?.resolve();
      gate = undefined;
    },
  };
}
