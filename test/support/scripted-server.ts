import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

/** What one request gets. */
export interface ScriptedAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as it is, all else as JSON. */
  readonly body?: unknown;
  /** Never answers. */
  readonly hang?: boolean;
  /** Ends the connection without an answer. */
  readonly hangUp?: boolean;
}

/** A server on 127.0.0.1 that answers by a script, in order; when it has ended, with 200 and `{}`. */
export interface ScriptedServer {
  readonly url: string;
  readonly requests: { readonly method: string; readonly path: string; readonly headers: IncomingHttpHeaders; readonly at: number }[];
  readonly answers: ScriptedAnswer[];
  close(): Promise<void>;
}

export async function scriptedServer(...answers: ScriptedAnswer[]): Promise<ScriptedServer> {
  const requests: ScriptedServer["requests"] = [];
  const server = createServer(async (request, response) => {
    for await (const _ of request);
    requests.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers, at: Date.now() });
    const { status = 200, headers, body = {}, hang = false, hangUp = false } = answers.shift() ?? {};
    if (hangUp) return request.socket.destroy();
    if (hang) return;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
