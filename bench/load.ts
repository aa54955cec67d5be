/**
 * Requests per second for single rows over HTTP, with a context of 400 rows x 30 features and 64 connections, beside FastAPI and PyTorch with the same cached keys and values.
 *
 * Run: `deno run -A load.ts [--json] [--threads 2] [--seconds 10] [--rounds 2] [--python python3] [--sustained MINUTES]` in `bench/`; serves with the runtime that runs it.
 * The peer is skipped with a reason where FastAPI or PyTorch is absent. `--sustained` then keeps up 80 % of the rate, offers four times the rate, and watches memory.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Answers, load, quantile } from "./load_client.ts";
import { normals, random } from "./random.ts";
import { machine } from "./stats.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    json: { type: "boolean" },
    threads: { type: "string", default: "2" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "2" },
    python: { type: "string", default: "python3" },
    sustained: { type: "string" },
  },
});
const CONNECTIONS = 64;
const WAITING = 64;
const seconds = Number(values.seconds);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Server {
  readonly port: number;
  readonly child: ChildProcess;
}

/** Starts a server that prints its port. */
function start(command: string, args: readonly string[]): Promise<Server> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  return new Promise((resolve, reject) => {
    let output = "";
    const read = (text: unknown): void => {
      output += text;
      const port = /^(\d+)\s*$/m.exec(output)?.[1];
      if (port !== undefined) resolve({ port: Number(port), child });
    };
    child.stdout.on("data", read);
    child.stderr.on("data", (text) => output += text);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`The server ended with ${code}:\n${output.slice(-2000)}`)));
  });
}

/** Megabytes that a process holds. */
function memory({ child }: Server): number {
  return Number(spawnSync("ps", ["-o", "rss=", "-p", String(child.pid)], { encoding: "utf8" }).stdout) / 1000;
}

/** Several measurements as one. */
function join(parts: readonly Answers[]): Answers {
  const statuses: Record<number, number> = {};
  for (const part of parts) {
    for (const [status, count] of Object.entries(part.statuses)) statuses[Number(status)] = (statuses[Number(status)] ?? 0) + count;
  }
  const sum = (of: (part: Answers) => number): number => parts.reduce((all, part) => all + of(part), 0);
  return { statuses, seconds: sum((part) => part.seconds), malformed: sum((part) => part.malformed), latencies: parts.flatMap((part) => part.latencies).sort((a, b) => a - b) };
}

/** What a table shows of a measurement. */
function summary({ statuses, latencies, seconds }: Answers) {
  const all = Object.values(statuses).reduce((a, b) => a + b, 0);
  return { rate: latencies.length / seconds, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), errors: all - latencies.length, statuses };
}

const numbers = normals(random(1), 464 * 30);
const table = Array.from({ length: 464 }, (_, i) => Object.fromEntries(Array.from(numbers.subarray(i * 30, (i + 1) * 30), (x, j) => [`f${j}`, x] as const)));
const train = table.slice(0, 400).map((row) => ({ ...row, label: row["f0"]! + row["f1"]! * row["f2"]! > 0 ? "yes" : "no" }));
const bodies = table.slice(400).map((row) => JSON.stringify({ rows: [row] }));

const folder = mkdtempSync(`${tmpdir()}/filigree-bench-`);
const servers: Server[] = [];
const result: Record<string, unknown> = { machine: machine(), threads: Number(values.threads) };
try {
  const runtime = process.versions["deno"] ? ["run", "-A", "--no-check"] : [];
  const ours = await start(process.execPath, [...runtime, here("load_server.ts"), values.threads, String(WAITING)]);
  servers.push(ours);
  const url = `http://127.0.0.1:${ours.port}/v1/tabular/contexts`;
  const fitted = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ train, target: "label" }) });
  if (!fitted.ok) throw new Error(`Cannot fit: ${fitted.status} ${await fitted.text()}`);
  const { id } = await fitted.json();
  const path = `/v1/tabular/contexts/${id}/predict`;

  const file = await fetch(`${url}/${id}/file`);
  writeFileSync(`${folder}/context`, new Uint8Array(await file.arrayBuffer()));
  const peer = await start(values.python, [here("fastapi_peer.py"), `${folder}/context`, here("../tabular/weights/orion_small.safetensors"), "--threads", values.threads])
    .catch((error: Error) => {
      result["skipped"] = error.message.trim().split("\n").at(-1);
      return undefined;
    });
  if (peer) {
    servers.push(peer);
    const ask = async (port: number): Promise<number[]> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ rows: table.slice(400) }) });
      return (await response.json()).predictions.map(({ probabilities }: { probabilities: Record<string, number> }) => probabilities["yes"]);
    };
    const [mine, theirs] = [await ask(ours.port), await ask(peer.port)];
    const difference = Math.max(...mine.map((p, i) => Math.abs(p - theirs[i]!)));
    if (!(difference < 1e-3)) throw new Error(`The two servers answer differently, by ${difference}`);
    result["difference"] = difference;
  }

  const run = (port: number, connections: number, time: number, rate?: number): Promise<Answers> =>
    load({ port, path, bodies, connections, seconds: time, ...(rate !== undefined && { rate }) });
  const parts: { ours: Answers[]; peer: Answers[] } = { ours: [], peer: [] };
  // By turns, so that a change of the machine's speed meets both; the first second of each is not counted.
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [list, server] of [[parts.ours, ours], [parts.peer, peer]] as const) {
      if (!server) continue;
      await run(server.port, CONNECTIONS, 1);
      list.push(await run(server.port, CONNECTIONS, seconds));
    }
  }
  const measured = summary(join(parts.ours));
  result["ours"] = measured;
  if (peer) {
    result["peer"] = summary(join(parts.peer));
    result["ratio"] = measured.rate / summary(join(parts.peer)).rate;
  }
  result["one"] = { ours: summary(await run(ours.port, 1, 3)), ...(peer && { peer: summary(await run(peer.port, 1, 3)) }) };

  if (values.sustained !== undefined) {
    peer?.child.kill("SIGKILL");
    const samples: number[] = [];
    const timer = setInterval(() => samples.push(memory(ours)), 1000);
    const rate = measured.rate * 0.8;
    const steady = await run(ours.port, CONNECTIONS, Number(values.sustained) * 60, rate);
    clearInterval(timer);
    // A collector's heap goes up and down: compared are the means of the second and of the last fifth.
    const fifth = Math.floor(samples.length / 5);
    const mean = (from: number): number => samples.slice(from, from + fifth).reduce((a, b) => a + b, 0) / fifth;
    const [early, late] = [mean(fifth), mean(4 * fifth)];
    result["sustained"] = { minutes: Number(values.sustained), offered: rate, ...summary(steady), earlyMB: early, lateMB: late, growth: late / early - 1, samples };

    const overload = run(ours.port, 4 * CONNECTIONS, 10, measured.rate * 4);
    let most = 0;
    const watch = setInterval(() => most = Math.max(most, memory(ours)), 500);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const end = performance.now();
    let recovered = false;
    for (let tries = 0; !recovered && tries < 200; tries++) {
      const response = await fetch(`http://127.0.0.1:${ours.port}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: bodies[0]! });
      await response.arrayBuffer();
      recovered = response.status === 200;
      if (!recovered) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const recoveryMs = performance.now() - end;
    const answers = await overload;
    clearInterval(watch);
    result["overload"] = { offered: measured.rate * 4, ...summary(answers), malformed: answers.malformed, mostMB: most, recoveryMs: recovered ? recoveryMs : null };
  }
} finally {
  for (const { child } of servers) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

if (values.json) console.log(JSON.stringify(result));
else show(result);

/** Prints the table. */
function show(all: Record<string, unknown>): void {
  type Row = ReturnType<typeof summary>;
  const line = (name: string, { rate, p50, p99, errors }: Row): void =>
    console.log(`${name.padEnd(34)} ${rate.toFixed(0).padStart(6)} requests/s   p50 ${p50.toFixed(0).padStart(5)} ms   p99 ${p99.toFixed(0).padStart(5)} ms   ${errors} errors`);
  console.log(`One row over HTTP, context of 400 x 30, ${CONNECTIONS} connections, ${all["threads"]} thread(s)\n${all["machine"]}\n`);
  line("Filigree", all["ours"] as Row);
  if (all["peer"]) line("FastAPI + PyTorch", all["peer"] as Row);
  else console.log(`FastAPI + PyTorch                  skipped: ${all["skipped"]}`);
  const one = all["one"] as { ours: Row; peer?: Row };
  line("Filigree, 1 connection", one.ours);
  if (one.peer) line("FastAPI + PyTorch, 1 connection", one.peer);
  if (all["ratio"]) console.log(`\n${(all["ratio"] as number).toFixed(2)}x the requests per second; answers differ by ${(all["difference"] as number).toExponential(1)} at most`);
  const sustained = all["sustained"] as (Row & { minutes: number; offered: number; earlyMB: number; lateMB: number; growth: number }) | undefined;
  if (!sustained) return;
  console.log(`\n${sustained.minutes} minutes at ${sustained.offered.toFixed(0)} requests/s:`);
  line("", sustained);
  console.log(`memory ${sustained.earlyMB.toFixed(0)} MB -> ${sustained.lateMB.toFixed(0)} MB (${(sustained.growth * 100).toFixed(1)} %)`);
  const overload = all["overload"] as Row & { offered: number; malformed: number; mostMB: number; recoveryMs: number | null };
  console.log(`\nFour times the load, ${overload.offered.toFixed(0)} requests/s over ${4 * CONNECTIONS} connections, ${WAITING} may wait:`);
  line("", overload);
  console.log(`answers by status ${JSON.stringify(overload.statuses)}, ${overload.malformed} malformed; at most ${overload.mostMB.toFixed(0)} MB; first answer ${overload.recoveryMs?.toFixed(0) ?? "never"} ms after the load ended`);
}
