import { describe, expect, it } from "vitest";
import { maxPhrasedLength, phraseMessage, phraseQuery } from "../../src/domain/phrasing.ts";

describe("phraseMessage", () => {
  it("says who said it: by name, or by role", () => {
    expect(phraseMessage({ role: "user", name: "Caroline", text: " I went home. " })).toBe('Caroline said, "I went home."');
    expect(phraseMessage({ role: "user", text: "hi" })).toBe('User said, "hi"');
    expect(phraseMessage({ role: "assistant", name: " ", text: "hi" })).toBe('Assistant said, "hi"');
  });

  it("leaves an empty text empty", () => {
    expect(phraseMessage({ role: "user", name: "Anna", text: " \n" })).toBe("");
  });

  it("cuts long texts at 2,000 characters, never inside a surrogate pair", () => {
    expect(phraseMessage({ role: "user", text: "x".repeat(5_000) })).toBe(`User said, "${"x".repeat(maxPhrasedLength)}"`);
    expect(phraseQuery(`${"x".repeat(1_999)}😊`)).toBe("x".repeat(1_999));
  });
});

describe("phraseQuery", () => {
  it("leaves a query as it is", () => {
    expect(phraseQuery(" What pet does Anna have? ")).toBe("What pet does Anna have?");
  });
});
