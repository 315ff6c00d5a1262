// Qdrant's own engine behind the REST interface of its server: see qdrant-server.py for what is whose.
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { debianRoot } from "./debian-root.ts";
import type { Engine } from "./engine.ts";
import { installPython, pythonPackages } from "./python.ts";
import { answersOk, runningPort, startServer, stopServer } from "./server.ts";

const url = (port: number) => `http://127.0.0.1:${port}`;
const rootOf = (directory: string) => join(directory, "trixie");

export const qdrant: Engine = {
  name: "qdrant",
  variable: "UNFORGET_TEST_QDRANT_URL",
  async start(directory) {
    const root = await debianRoot(directory, "trixie", pythonPackages);
    const library = await installPython(root, "qdrant", ["qdrant-edge-py==0.9.0"]);
    const program = "qdrant-server.py";
    copyFileSync(join(import.meta.dirname, program), join(root, "srv/qdrant", program));
    const port = await startServer({
      root,
      name: "qdrant",
      user: "nobody",
      command: (port) => ["env", `PYTHONPATH=${library}`, "python3", `/srv/qdrant/${program}`, `${port}`, "/srv/qdrant/data"],
      ready: (port) => answersOk(`${url(port)}/readyz`),
    });
    return url(port);
  },
  stop: (directory) => stopServer(rootOf(directory), "qdrant"),
  running(directory) {
    const port = runningPort(rootOf(directory), "qdrant");
    return port === undefined ? undefined : url(port);
  },
};
