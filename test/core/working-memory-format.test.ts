import { expect, test } from "vitest";
import { z } from "zod";
import { schemaProblem } from "../../src/core/working-memory/json-schema.ts";
import { createMemory, type WorkingMemoryFormat } from "../../src/index.ts";

const memoryWith = (user: WorkingMemoryFormat, conversation?: WorkingMemoryFormat) =>
  createMemory({ sessions: { store: "memory" }, embedding: false, working: { user, conversation } });

const profile = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1 },
    plans: { type: "array", items: { $ref: "#/$defs/plan" } },
    mood: { enum: ["good", "bad"] },
  },
  additionalProperties: false,
  $defs: { plan: { type: "object", properties: { step: { type: "integer", minimum: 1 } }, required: ["step"] } },
};

test.each([
  ["JSON Schema", profile],
  [
    "Zod",
    z.strictObject({
      name: z.string().min(1).optional(),
      plans: z.array(z.object({ step: z.int().min(1) })).optional(),
      mood: z.enum(["good", "bad"]).optional(),
    }),
  ],
])("notes with a schema take what it takes: %s", async (_name, schema) => {
  await using memory = memoryWith({ schema });
  const { working } = memory.scope({ userId: "u" });
  await working.set('{"name":"Priya"}');
  await working.merge({ plans: [{ step: 1 }], mood: "good" });
  expect((await working.merge({ mood: null })).content).toBe('{"name":"Priya","plans":[{"step":1}]}');
  await expect(working.set("Priya")).rejects.toThrow("must be JSON");
  await expect(working.merge({ name: "" })).rejects.toThrow("name: ");
  await expect(working.merge({ plans: [{ step: "secret" }] })).rejects.toThrow(/plans.*step: /u);
  await expect(working.merge({ plans: [{ step: "secret" }] })).rejects.not.toThrow("secret");
  await expect(working.update(() => '{"unknown":1}')).rejects.toThrow("schema of these notes");
  expect((await working.get())?.version).toBe(3);
});

test("notes of a user and of a conversation look each their own way", async () => {
  await using memory = memoryWith({ schema: profile }, { template: "# Plan" });
  const { working, conversations } = memory.scope({ userId: "u" });
  await conversations.create({ id: "c" });
  await working.set("# Plan\n- rest", { conversationId: "c" });
  expect(working.format({ conversationId: "c" })).toEqual({ template: "# Plan" });
  expect(working.format()?.schema).toBe(profile);
  expect(() => memoryWith({ template: "x", schema: {} } as never)).toThrow("working.user");
  expect(() => memoryWith({ schema: "x" } as never)).toThrow("working.user.schema");
});

test("a schema that checks later is an error, not a pass", async () => {
  await using memory = memoryWith({ schema: z.object({ name: z.string().refine(async () => true) }) });
  await expect(memory.scope({ userId: "u" }).working.set('{"name":"x"}')).rejects.toThrow(/at once/u);
});

test.each([
  [{ type: ["string", "null"] }, null, undefined],
  [{ type: "number" }, "1", "all of it: must be of type number"],
  [{ const: { a: 1 } }, { a: 1 }, undefined],
  [{ anyOf: [{ type: "string" }, { type: "number", maximum: 5 }] }, 6, "all of it: fits none of the choices"],
  [{ oneOf: [{ type: "integer" }, { type: "number" }] }, 1, "all of it: fits more than one of the choices"],
  [{ allOf: [{ required: ["a"] }, { required: ["b"] }] }, { a: 1 }, "b: is missing"],
  [
    { properties: { list: { items: { type: "string", pattern: "^a" }, maxItems: 2 } } },
    { list: ["a", "b"] },
    "list[1]: does not match the pattern",
  ],
  [{ additionalProperties: { type: "integer" } }, { x: 1.5 }, "x: must be of type integer"],
  [{ properties: { "a/b": false } }, { "a/b": 1 }, "a/b: must not be there"],
  [{ $ref: "#" }, 1, "all of it: is nested too deep"],
  [{ anyOf: [{ type: "string" }], oneOf: [{ const: "a" }] }, "b", "all of it: fits none of the choices"],
  [{ enum: [{ a: 1, b: 2 }] }, { b: 2, a: 1 }, undefined],
  [{ exclusiveMinimum: 0 }, 0, "all of it: is too small or too large"],
  [{ exclusiveMinimum: 0, exclusiveMaximum: 2 }, 1, undefined],
  [{ patternProperties: { "^x-": { type: "number" } }, additionalProperties: false }, { "x-a": 1 }, undefined],
  [{ patternProperties: { "^x-": { type: "number" } }, additionalProperties: false }, { "x-a": "1" }, "x-a: must be of type number"],
  [{ pattern: "^[\\w-.]+$" }, "a.b-c", undefined],
])("a schema tells what is wrong: %j of %j", (schema, value, problem) => {
  expect(schemaProblem(value, schema)).toBe(problem);
});
