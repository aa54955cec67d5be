/**
 * Calls to the server that sent the page.
 *
 * @module
 */
/// <reference lib="dom" />

/** A refusal of the server. */
export class Refusal extends Error {
  /** The name of the class. */
  override readonly name = "Refusal";
  /** The HTTP status. */
  readonly status: number;

  /** Keeps what the server said. */
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The server. */
export interface Api {
  /** Goes with every call from now on; "" for none. */
  token: string;
  /** Gets an answer as JSON: of a POST if there is a body. */
  json(path: string, body?: unknown, signal?: AbortSignal): Promise<unknown>;
  /** Gets an answer as the data of its events, up to `[DONE]`. */
  events(path: string, body: unknown, signal: AbortSignal): AsyncIterable<unknown>;
}

/**
 * Makes calls beside the page.
 *
 * @param onUnknown Is told when the server wants a token, or another one.
 * @returns The server.
 */
export function serverApi(onUnknown: () => void): Api {
  const send = async (path: string, body: unknown, signal?: AbortSignal): Promise<Response> => {
    const headers = new Headers(body === undefined ? {} : { "content-type": "application/json" });
    if (api.token) headers.set("authorization", `Bearer ${api.token}`);
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(new URL(path, document.baseURI), {
      ...init,
      headers,
      signal: signal ?? null,
    });
    if (response.ok) return response;
    if (response.status === 401) onUnknown();
    throw new Refusal(response.status, await reasonOf(response));
  };
  const api: Api = {
    token: "",
    json: async (path, body, signal) => await (await send(path, body, signal)).json(),
    async *events(path, body, signal) {
      const response = await send(path, body, signal);
      for await (const data of dataOf(response.body!)) {
        if (data === "[DONE]") return;
        const event: unknown = JSON.parse(data);
        const failure = (event as { error?: { message?: string } }).error;
        if (failure) throw new Refusal(500, failure.message ?? "The server failed to answer");
        yield event;
      }
    },
  };
  return api;
}

async function reasonOf(response: Response): Promise<string> {
  const body = await response.json().catch(() => undefined) as { error?: { message?: unknown } } | undefined;
  const message = body?.error?.message;
  return typeof message === "string" ? message : `The server answered ${response.status}`;
}

/** The data of server-sent events; comments are left out. */
async function* dataOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = events.pop()!;
      for (const event of events) {
        const lines = event.split("\n").filter((line) => line.startsWith("data:"));
        if (lines.length > 0) yield lines.map((line) => line.slice(5).trimStart()).join("\n");
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
