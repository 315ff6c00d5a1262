/** A language model of the AI SDK, such as `openai("gpt-4o-mini")`, of any specification the installed `ai` takes. */
export interface LanguageModelLike {
  readonly specificationVersion: string;
  readonly provider: string;
  readonly modelId: string;
}

/** Titles by a model. A conversation has its first user message for a title until the model's is there. */
export interface GeneratedTitles {
  /** An AI SDK language model; the package `ai` is loaded when the first title is made. */
  readonly model: LanguageModelLike;
  /** Longest title, in characters: 10 to 200. @default 60 */
  readonly maxLength?: number | undefined;
  /** What the model is told beside the messages. @default to name the subject in a few words, in the language of the messages */
  readonly instructions?: string | undefined;
}

/**
 * Where titles of conversations come from that are given none. `"first-message"`: the beginning of the first user
 * message. `{ model }`: that, and after the first exchange, in the background, what the model says. `false`: nowhere.
 */
export type TitlesOption = "first-message" | GeneratedTitles | false;
