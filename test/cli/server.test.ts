import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { describeServer } from "../support/servers.ts";
import { tempSchema } from "../support/temp-schema.ts";
import { cli, newDirectory } from "./run-cli.ts";

vi.setConfig({ testTimeout: 60_000 });

describeServer("postgres", "the command line on a server", (url) => {
  const schema = tempSchema(url);

  test("PG_HOST and its like in .env name the server, and its memory is found again by URL", async () => {
    const cwd = newDirectory();
    const { hostname, port, pathname, username, password } = new URL(url);
    const names = {
      PG_HOST: hostname,
      PG_PORT: port,
      PG_DB: pathname.slice(1),
      PG_USER: decodeURIComponent(username),
      PG_PASSWORD: decodeURIComponent(password),
    };
    writeFileSync(
      join(cwd, ".env"),
      Object.entries(names)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    const input = `${JSON.stringify({ conversation: "c", role: "user", content: "The ferry leaves at noon." })}\n`;
    expect(await cli(["import", "-", "--user", "u", "--schema", schema], { cwd, input })).toMatchObject({ code: 0, stderr: "" });
    const { stdout } = await cli(["recall", "When does the ferry leave?", "--user", "u", "--json", "--url", url, "--schema", schema], {
      cwd: newDirectory(),
    });
    expect(JSON.parse(stdout)).toMatchObject([{ text: "The ferry leaves at noon." }]);
  });

  test("doctor and erase --compact say where they look, without the password", async () => {
    const cwd = newDirectory();
    const { code, stdout } = await cli(["doctor", "--url", url, "--schema", schema], { cwd });
    expect({ code, place: stdout.split("\n")[1] }).toEqual({ code: 0, place: expect.stringMatching(/place +postgres:\/\/[^@]+$/) });
    expect(await cli(["erase", "--user", "u", "--yes", "--compact", "--url", url, "--schema", schema], { cwd })).toMatchObject({
      code: 0,
      stdout: "Erased 1 message in 1 conversation of user u.\n",
    });
  });
});
