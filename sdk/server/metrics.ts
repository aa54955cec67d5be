/** Figures of a server, for Prometheus. */
export interface Metrics {
  /** Counts an answer. */
  request(route: string, method: string, status: number, seconds: number): void;
  /** Counts tokens of language models: those read and those generated. */
  tokens(kind: "prompt" | "completion", count: number): void;
  /** Notes the bytes of an answer's keys and values at its end. */
  kvBytes(bytes: number): void;
  /**
   * Adds a figure that is read whenever figures are asked for.
   *
   * @param name Its name without the prefix: `device_bytes` becomes `filigree_device_bytes`.
   * @param help One sentence.
   * @param read Gives its value now.
   */
  gauge(name: string, help: string, read: () => number): void;
  /** All figures in Prometheus' text format. */
  render(): string;
}

/** Upper bounds of the buckets of latencies in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

/**
 * Makes an empty set of figures.
 *
 * @returns The figures.
 */
export function createMetrics(): Metrics {
  const requests = new Map<string, number>();
  const latencies = new Map<string, Histogram>();
  const tokens = new Map<string, number>([["prompt", 0], ["completion", 0]]);
  const gauges = new Map<string, { help: string; read: () => number }>();
  const add = (counts: Map<string, number>, key: string, value: number): void => {
    counts.set(key, (counts.get(key) ?? 0) + value);
  };
  let kvBytes = 0;
  gauges.set("kv_bytes", { help: "Bytes of the latest answer's keys and values.", read: () => kvBytes });
  return {
    request(route, method, status, seconds): void {
      add(requests, labels({ route, method, status: `${status}` }), 1);
      let histogram = latencies.get(route);
      if (!histogram) {
        latencies.set(route, histogram = { counts: BUCKETS.map(() => 0), sum: 0, count: 0 });
      }
      histogram.count++;
      histogram.sum += seconds;
      const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) histogram.counts[bucket] = (histogram.counts[bucket] as number) + 1;
    },
    tokens(kind, count): void {
      add(tokens, kind, count);
    },
    kvBytes(bytes): void {
      kvBytes = bytes;
    },
    gauge(name, help, read): void {
      gauges.set(name, { help, read });
    },
    render(): string {
      const lines: string[] = [];
      const head = (name: string, type: string, help: string): void => {
        lines.push(`# HELP filigree_${name} ${help}`, `# TYPE filigree_${name} ${type}`);
      };
      head("requests_total", "counter", "Requests that were answered.");
      for (const [key, count] of requests) lines.push(`filigree_requests_total{${key}} ${count}`);
      head("request_seconds", "histogram", "Time until the answer was complete.");
      for (const [route, { counts, sum, count }] of latencies) {
        const key = labels({ route });
        let below = 0;
        BUCKETS.forEach((bound, i) => {
          below += counts[i] as number;
          lines.push(`filigree_request_seconds_bucket{${key},le="${bound}"} ${below}`);
        });
        lines.push(
          `filigree_request_seconds_bucket{${key},le="+Inf"} ${count}`,
          `filigree_request_seconds_sum{${key}} ${sum}`,
          `filigree_request_seconds_count{${key}} ${count}`,
        );
      }
      head("tokens_total", "counter", "Tokens of language models.");
      for (const [kind, count] of tokens) {
        lines.push(`filigree_tokens_total{${labels({ kind })}} ${count}`);
      }
      for (const [name, { help, read }] of gauges) {
        head(name, "gauge", help);
        lines.push(`filigree_${name} ${read()}`);
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

function labels(values: Record<string, string>): string {
  return Object.entries(values).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, "\\$&")}"`).join(
    ",",
  );
}
