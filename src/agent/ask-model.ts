import type { AgentStreamPart, AgentTools } from "../domain/agent.ts";
import type { ContextMessage } from "../domain/context.ts";
import type { LanguageModelLike } from "../domain/titles.ts";
import { loadDependency } from "../internal/load-dependency.ts";

/** What we use of the package `ai`, 5 and later. */
interface AiPackage {
  streamText(options: object): { readonly fullStream: AsyncIterable<AgentStreamPart> };
}

export interface ModelCall {
  readonly model: LanguageModelLike;
  readonly system: string;
  readonly messages: readonly ContextMessage[];
  readonly tools: AgentTools | undefined;
  readonly maxSteps: number;
  readonly settings: Readonly<Record<string, unknown>> | undefined;
  readonly signal: AbortSignal;
}

/**
 * Asks the model, calls the tools it wants, and asks it again, until it has answered.
 *
 * @throws the model's error, or the signal's reason
 */
export async function* askModel({
  model,
  system,
  messages,
  tools,
  maxSteps,
  settings,
  signal,
}: ModelCall): AsyncGenerator<AgentStreamPart> {
  const { streamText } = await loadAi();
  signal.throwIfAborted();
  const { fullStream } = streamText({
    // Errors come in the stream; without `onError` the package prints them too.
    onError() {},
    ...settings,
    model,
    system,
    messages,
    ...(tools === undefined ? {} : { tools }),
    stopWhen: ({ steps }: { readonly steps: readonly unknown[] }) => steps.length >= maxSteps,
    abortSignal: signal,
  });
  for await (const part of fullStream) {
    if (part.type === "abort") break;
    if (part.type === "error") throw part.error;
    yield part;
  }
  signal.throwIfAborted();
}

/** @throws DependencyMissingError when the package `ai` is not installed */
export function loadAi(): Promise<AiPackage> {
  return loadDependency("agent", "ai", () => import("ai") as Promise<unknown> as Promise<AiPackage>);
}
