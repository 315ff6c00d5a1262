import { Worker } from "node:worker_threads";
import { BackendError } from "../../../domain/errors.ts";
import { handedOver } from "./frames.ts";
import { createLink, type Link } from "./link.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./worker.ts";

/** A database that does not close in this time is left as a crash would leave it, which costs the next opening a recovery. */
const stopMs = 20_000;

/**
 * Starts the engine in a thread of this process. `onExit` is called when the thread has ended and the directory is free,
 * whether it was asked to, crashed, or never got ready.
 */
export function startWorker(options: WorkerOptions, onExit: () => void): Promise<Link> {
  const fromSource = import.meta.url.endsWith(".ts");
  const worker = new Worker(new URL(fromSource ? "./worker.ts" : "./worker.js", import.meta.url), {
    name: "unforget",
    workerData: options,
    // Not the program's own hooks and loaders; Node 22.16 needs to be told to read TypeScript.
    execArgv: fromSource ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [],
  });
  const post = (message: ToWorker, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer);
  let isReady = false;
  let isWaiting = false;
  let othersWait = false;
  /** An idle database does not keep the process alive. */
  const holdProcess = () => (!isReady || isWaiting || othersWait ? worker.ref() : worker.unref());

  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  const { link, settle, lose } = createLink({
    post: (request) => post({ kind: "request", request }, handedOver(request.message)),
    hold(waiting) {
      isWaiting = waiting;
      holdProcess();
    },
    async close() {
      worker.ref();
      post({ kind: "stop" });
      const impatience = setTimeout(() => void worker.terminate(), stopMs);
      await exited;
      clearTimeout(impatience);
    },
  });

  return new Promise((resolve, reject) => {
    let failure: unknown;
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "response") settle(message.response);
      else if (message.kind === "ready") {
        isReady = true;
        holdProcess();
        resolve(link);
      } else if (message.kind === "serving") {
        othersWait = message.others;
        holdProcess();
      } else {
        failure = openFailure(message.code, message.message, options);
        void worker.terminate();
      }
    });
    worker.on("error", (error) => {
      failure ??= openFailure((error as NodeJS.ErrnoException).code, error.message, options, error);
    });
    worker.once("exit", () => {
      onExit();
      lose(failure);
      reject(failure ?? openFailure(undefined, "its thread ended", options));
    });
  });
}

const deniedCodes = new Set(["EACCES", "EPERM", "EROFS"]);

function openFailure(code: string | undefined, message: string, { directory }: WorkerOptions, cause?: unknown): BackendError {
  if (code === "backend_error" || code === "backend_outdated") {
    return new BackendError("embedded", "open", message.replace(/^\[embedded\] /, ""), { code });
  }
  const where = directory ?? "memory://";
  if (code !== undefined && deniedCodes.has(code)) {
    return new BackendError(
      "embedded",
      "open",
      `${where} cannot be written (${code}): check its owner and permissions, or choose another data directory`,
      {
        code: "backend_denied",
        cause,
      },
    );
  }
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") {
    return new BackendError(
      "embedded",
      "open",
      `a part of the package is missing (${message}): install it anew, and if you bundle, keep "unforget" external`,
      { cause },
    );
  }
  return new BackendError(
    "embedded",
    "open",
    `the embedded database in ${where} did not open (${message}): check the free space and memory; if it stays so, restore the directory from a copy`,
    { cause },
  );
}
