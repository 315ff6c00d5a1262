import type { AgentStreamPart } from "../domain/agent.ts";

/** What a turn has handed out so far. It is kept, so that whoever reads it gets everything from the beginning. */
export interface HandedOut {
  add(parts: readonly AgentStreamPart[]): void;
  end(): void;
  fail(error: unknown): void;
  parts(): AsyncIterable<AgentStreamPart>;
  texts(): AsyncIterable<string>;
}

export function handedOut(): HandedOut {
  const all: AgentStreamPart[] = [];
  let ending: { readonly error?: unknown } | undefined;
  let news = Promise.withResolvers<void>();
  const tell = () => {
    news.resolve();
    news = Promise.withResolvers();
  };

  async function* read(): AsyncGenerator<AgentStreamPart, void> {
    for (let place = 0; ; ) {
      const part = all[place];
      if (part !== undefined) {
        place++;
        yield part;
      } else if (ending === undefined) await news.promise;
      else if ("error" in ending) throw ending.error;
      else return;
    }
  }

  async function* texts(): AsyncGenerator<string, void> {
    for await (const { type, text } of read()) if (type === "text-delta" && typeof text === "string" && text !== "") yield text;
  }

  return {
    add(parts) {
      for (const part of parts) all.push(part);
      if (parts.length > 0) tell();
    },
    end() {
      ending ??= {};
      tell();
    },
    fail(error) {
      ending ??= { error };
      tell();
    },
    parts: () => ({ [Symbol.asyncIterator]: read }),
    texts: () => ({ [Symbol.asyncIterator]: texts }),
  };
}
