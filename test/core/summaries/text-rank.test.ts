import { expect, test } from "vitest";
import { rankSentences, sentencesOf } from "../../../src/core/summaries/text-rank.ts";

test("sentences that others speak of come first, and small talk last", () => {
  const sentences = [
    "The deployment to production is planned for Friday.",
    "Nice weather today.",
    "Before the deployment on Friday the database migration must be tested.",
    "The database migration takes ten minutes in production.",
    "Haha, indeed.",
  ];
  const ranked = rankSentences(sentences).map(({ place }) => place);
  expect(new Set(ranked.slice(0, 3))).toEqual(new Set([0, 2, 3]));
});

test("sentences of any script, and lines, stand alone", () => {
  expect(sentencesOf("One is here. Two is there!\nThree\n\n…\n今日は晴れ。明日は雨。")).toEqual([
    "One is here.",
    "Two is there!",
    "Three",
    "今日は晴れ。",
    "明日は雨。",
  ]);
});

test("equal sentences count once, and thousands take no minutes", () => {
  expect(rankSentences(["The same thing", "The same thing"])).toHaveLength(1);
  const many = Array.from({ length: 3_000 }, (_, index) => `Sentence number ${index} about topic${index % 50} and colour${index % 7}`);
  expect(rankSentences(many)).toHaveLength(3_000);
});
