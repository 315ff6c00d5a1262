import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: string } }[];
  readonly tool_call_id?: string;
}

/** A tool the model wants called. */
export interface WantedCall {
  readonly call: string;
  readonly tool: string;
  readonly input: unknown;
}

export interface ModelServer {
  /** To be given as --base-url. */
  readonly url: string;
  /** The messages of every call so far. */
  readonly calls: readonly (readonly ChatMessage[])[];
}

/** What the model says: pieces, which may wait in between, and when they throw the connection is cut; an error status instead. */
export type Reply = (messages: readonly ChatMessage[]) => AsyncIterable<string | WantedCall> | number;

/** The vector of a text; without one, the server makes none. */
export type Embed = (text: string) => readonly number[];

/** A server on this machine that speaks OpenAI's streaming chat completions and embeddings, closed after the test. */
export async function modelServer(reply: Reply, embed?: Embed): Promise<ModelServer> {
  const calls: (readonly ChatMessage[])[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.url === "/v1/embeddings" && embed !== undefined) {
      const {
        input,
        model,
        encoding_format: format,
      } = JSON.parse(body) as { input: string | string[]; model: string; encoding_format?: string };
      const data = [input].flat().map((text, index) => ({ object: "embedding", index, embedding: encoded(embed(text), format) }));
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ object: "list", model, data, usage: { prompt_tokens: 1, total_tokens: 1 } }));
      return;
    }
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
    let finish = "stop";
    try {
      for await (const piece of said) {
        if (typeof piece === "string") send({ role: "assistant", content: piece }, null);
        else {
          finish = "tool_calls";
          const { call: id, tool: name, input } = piece;
          const call = { index: 0, id, type: "function", function: { name, arguments: JSON.stringify(input) } };
          send({ role: "assistant", content: null, tool_calls: [call] }, null);
        }
      }
    } catch {
      response.destroy();
      return;
    }
    send({}, finish);
    response.end("data: [DONE]\n\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, calls };
}

function encoded(vector: readonly number[], format: string | undefined): readonly number[] | string {
  return format === "base64" ? Buffer.from(Float32Array.from(vector).buffer).toString("base64") : vector;
}
