import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createMemory, toolbox } from "../../../src/index.ts";

function opened() {
  const memory = createMemory({ sessions: { store: "memory" }, worker: "manual" });
  onTestFinished(() => memory.close());
  const handle = memory.scope({ userId: "ada" });
  return { memory, handle, tools: toolbox(handle) };
}

const weather = {
  name: "get_weather",
  description: "Tells the weather of a city: rain, temperature, wind",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  execute: ({ city }: { city: string }) => `sunny in ${city}`,
};
const mail = { name: "send_mail", description: "Sends an email to a person", execute: async () => "sent" };

test("a tool is found for a task, and called", async () => {
  const { memory, tools } = opened();
  await tools.registerMany([weather, mail]);
  expect((await tools.find("weather"))[0]).toMatchObject({ name: "get_weather", parameters: weather.parameters, isCallable: true });
  await memory.flush();
  expect((await tools.find("Will it be warm and sunny tomorrow?", { limit: 1 }))[0]?.name).toBe("get_weather");
  expect((await tools.find("Write a letter to my boss", { limit: 1 }))[0]?.name).toBe("send_mail");
  expect(await tools.call("get_weather", { city: "Oslo" })).toBe("sunny in Oslo");
  expect(await tools.call("send_mail")).toBe("sent");
});

test("what another process has registered is known here, and not callable", async () => {
  const { handle, tools } = opened();
  await tools.registerMany([weather, mail]);
  const elsewhere = toolbox(handle);
  await elsewhere.register(mail);
  expect(await elsewhere.get("get_weather")).toMatchObject({ description: weather.description, isCallable: false });
  await expect(elsewhere.call("get_weather", {})).rejects.toThrow("register it in this process");
  expect((await elsewhere.find("weather email", { callable: true })).map(({ name }) => name)).toEqual(["send_mail"]);
  expect((await elsewhere.list()).items).toHaveLength(2);
});

test("a schema that can check refuses what does not fit, and tells no content", async () => {
  const { tools } = opened();
  const schema = {
    "~standard": {
      validate: (value: unknown) =>
        typeof (value as { city?: unknown }).city === "string" ? { value } : { issues: [{ message: "no", path: ["city"] }] },
      jsonSchema: { input: () => weather.parameters },
    },
  };
  await tools.register({ ...weather, parameters: schema });
  expect(await tools.get("get_weather")).toMatchObject({ parameters: weather.parameters });
  expect(await tools.call("get_weather", { city: "Oslo" })).toBe("sunny in Oslo");
  const error = await tools.call("get_weather", { city: 7, secret: "hunter2" }).catch((reason: Error) => reason);
  expect(error).toMatchObject({ field: "input", message: expect.stringContaining("city") });
  expect(String(error)).not.toContain("hunter2");
  const mute = { "~standard": { validate: (value: unknown) => ({ value }) } };
  await expect(tools.register({ ...weather, parameters: mute })).rejects.toMatchObject({ field: "parameters" });
});

test("what is no tool is refused", async () => {
  const { tools } = opened();
  const tool = { name: "t", description: "does it", execute: () => 1 };
  const refused = async (fields: object) => {
    const error = await tools.register({ ...tool, ...fields } as never).catch((reason: unknown) => reason);
    return (error as { readonly field?: string }).field;
  };
  expect(await refused({ name: "" })).toBe("name");
  expect(await refused({ description: "" })).toBe("description");
  expect(await refused({ execute: undefined })).toBe("execute");
  for (const parameters of [5, null, []]) expect(await refused({ parameters })).toBe("parameters");
  for (const queries of ["text", [5]]) expect(await refused({ queries })).toBe("queries");
});

test("the same name again replaces a tool, and a deleted one is gone", async () => {
  const { tools } = opened();
  await tools.register(weather);
  await tools.register({ ...weather, description: "Forecasts", execute: () => "new" });
  expect((await tools.list()).items.map(({ description }) => description)).toEqual(["Forecasts"]);
  expect(await tools.call("get_weather")).toBe("new");
  expect(await tools.delete("get_weather")).toBe(true);
  await expect(tools.call("get_weather")).rejects.toMatchObject({ code: "not_found" });
  await expect(tools.registerMany([mail, { ...weather, description: "" }])).rejects.toMatchObject({ field: "description" });
  expect((await tools.list()).items).toEqual([]);
});

test("a schema of Zod is stored as JSON Schema, and checks", async () => {
  const { tools } = opened();
  const parameters = z.object({ city: z.string(), days: z.number().default(1) });
  await tools.register({ ...weather, parameters, execute: ({ city, days }: z.infer<typeof parameters>) => `${city} ${days}` });
  expect(await tools.get("get_weather")).toMatchObject({ parameters: { type: "object", properties: { city: { type: "string" } } } });
  expect(await tools.call("get_weather", { city: "Oslo" })).toBe("Oslo 1");
  await expect(tools.call("get_weather", { city: 1 })).rejects.toMatchObject({ field: "input" });
});
