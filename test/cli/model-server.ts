import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface ModelServer {
  /** To be given as --base-url. */
  readonly url: string;
  /** The messages of every call so far. */
  readonly calls: readonly (readonly ChatMessage[])[];
}

/** What the model says: pieces, which may wait in between, and when they throw the connection is cut; an error status instead. */
export type Reply = (messages: readonly ChatMessage[]) => AsyncIterable<string> | number;

/** A server on this machine that speaks OpenAI's streaming chat completions, closed after the test. */
export async function modelServer(reply: Reply): Promise<ModelServer> {
  const calls: (readonly ChatMessage[])[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { messages, stream } = JSON.parse(body) as { messages: ChatMessage[]; stream?: boolean };
    calls.push(messages);
    const said = reply(messages);
    if (request.url !== "/v1/chat/completions" || stream !== true || typeof said === "number") {
      response.writeHead(typeof said === "number" ? said : 404, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "no: sk-very-secret-key", type: "invalid_request_error" } }));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (delta: object, finish: string | null) =>
      response.write(
        `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
      );
    try {
      for await (const piece of said) send({ role: "assistant", content: piece }, null);
    } catch {
      response.destroy();
      return;
    }
    send({}, "stop");
    response.end("data: [DONE]\n\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, calls };
}
