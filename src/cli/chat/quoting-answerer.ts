import { formatTime, shorten, speaker } from "../text-layout.ts";
import type { Answerer } from "./answerer.ts";

const longestQuote = 500;

/** Answers without a model, by quoting what was recalled, and says so. */
export function quotingAnswerer(): Answerer {
  return {
    isQuoting: true,
    async *answer({ memories }) {
      if (memories.length === 0) yield "I remember nothing about that.";
      else yield "There is no model to answer, so here is what I remember:";
      for (const hit of memories) yield `\n- ${formatTime(hit.createdAt)}, ${speaker(hit)}: "${shorten(hit.text, longestQuote)}"`;
    },
  };
}
