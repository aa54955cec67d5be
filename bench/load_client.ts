/**
 * A small HTTP/1.1 client over plain sockets, which costs a fraction of what a server does for the same requests.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

/** What to ask for, and how hard. */
export interface Load {
  readonly port: number;
  readonly path: string;
  /** Bodies that are sent in turn. */
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly seconds: number;
  /** Requests per second, due at equal distances whether answers come or not; without, every connection asks again at once. */
  readonly rate?: number;
}

/** What came back. */
export interface Answers {
  readonly seconds: number;
  /** Answers by status; 0 is a connection that broke. */
  readonly statuses: Readonly<Record<number, number>>;
  /** Milliseconds of answers with status 200, sorted; from the time a request was due. */
  readonly latencies: readonly number[];
  /** Refusals (429 and 503) without `Retry-After`, or whose body is no error. */
  readonly malformed: number;
}

/** Sends requests and measures the answers. */
export async function load({ port, path, bodies, connections, seconds, rate }: Load): Promise<Answers> {
  const requests = bodies.map((body) =>
    Buffer.from(`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  );
  const statuses: Record<number, number> = {};
  const latencies: number[] = [];
  let malformed = 0;
  let sent = 0;
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const take = (): { request: Buffer; due: number } | undefined => {
    const due = rate === undefined ? performance.now() : begin + sent * 1000 / rate;
    if (due >= end) return undefined;
    return { request: requests[sent++ % requests.length]!, due };
  };
  const one = async (): Promise<void> => {
    let connection = await open(port);
    for (let next = take(); next; next = take()) {
      const wait = next.due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const answer = await connection.ask(next.request).catch(() => undefined);
      const status = answer?.status ?? 0;
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status === 200) latencies.push(performance.now() - next.due);
      if (status === 429 || status === 503) {
        if (!/\r\nretry-after: \d+/i.test(answer!.head) || !answer!.body.includes('"error"')) malformed++;
      }
      if (!answer || /\r\nconnection: close/i.test(answer.head)) {
        connection.close();
        connection = await open(port);
      }
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, one));
  latencies.sort((a, b) => a - b);
  return { seconds: (performance.now() - begin) / 1000, statuses, latencies, malformed };
}

/** The value below which a share of sorted values lies. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

interface Connection {
  ask(request: Buffer): Promise<Answer>;
  close(): void;
}

function open(port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let text = "";
    let answer: PromiseWithResolvers<Answer> | undefined;
    const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true }, () =>
      resolve({
        ask(request) {
          answer = Promise.withResolvers();
          text = "";
          socket.write(request);
          return answer.promise;
        },
        close: () => socket.destroy(),
      }));
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
      const cut = text.indexOf("\r\n\r\n");
      if (cut < 0) return;
      const head = text.slice(0, cut + 2);
      const body = text.slice(cut + 4);
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      const done = length === undefined ? body.endsWith("0\r\n\r\n") : body.length >= Number(length);
      if (done) answer?.resolve({ status: Number(head.slice(9, 12)), head, body });
    });
    const fail = (): void => {
      const error = new Error("The connection broke");
      answer?.reject(error);
      reject(error);
    };
    socket.on("error", fail);
    socket.on("close", fail);
  });
}
