// The Chroma server as its Python package ships it: one compiled module, of which none of the package's many dependencies is part.
import { join } from "node:path";
import { debianRoot } from "./debian-root.ts";
import type { Engine } from "./engine.ts";
import { installPython, pythonPackages } from "./python.ts";
import { answersOk, runningPort, startServer, stopServer } from "./server.ts";

const url = (port: number) => `http://127.0.0.1:${port}`;
const rootOf = (directory: string) => join(directory, "trixie");

export const chroma: Engine = {
  name: "chroma",
  variable: "UNFORGET_TEST_CHROMA_URL",
  async start(directory) {
    const root = await debianRoot(directory, "trixie", pythonPackages);
    const library = await installPython(root, "chroma", ["chromadb==1.5.9"]);
    const options = ["run", "--path", "/srv/chroma/data", "--host", "127.0.0.1"];
    const program = "import sys, chromadb_rust_bindings; chromadb_rust_bindings.cli(['chroma', *sys.argv[1:]])";
    const port = await startServer({
      root,
      name: "chroma",
      user: "nobody",
      command: (port) => ["env", `PYTHONPATH=${library}`, "python3", "-c", program, ...options, "--port", `${port}`],
      ready: (port) => answersOk(`${url(port)}/api/v2/heartbeat`),
    });
    return url(port);
  },
  stop: (directory) => stopServer(rootOf(directory), "chroma"),
  running(directory) {
    const port = runningPort(rootOf(directory), "chroma");
    return port === undefined ? undefined : url(port);
  },
};
