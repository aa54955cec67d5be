import type { Cell } from "../csv/mod.ts";
import type { CallOptions, Dependencies, Label, Predictor, Session } from "./dependencies.ts";

/** A classifier for tests: the nearest class by the mean of the numeric columns. */
export function fakePredictor(): Predictor & { fits: number[]; tables: Record<string, Cell[]>[] } {
  let centroids: { label: Label; center: number[] }[] = [];
  const rowsOf = (x: Record<string, Cell[]>): number[][] => {
    const columns = Object.values(x);
    return (columns[0] ?? []).map((_, r) =>
      columns.map((cells) => typeof cells[r] === "number" ? cells[r] : 0)
    );
  };
  return {
    fits: [],
    tables: [],
    get classes(): Label[] {
      return centroids.map(({ label }) => label);
    },
    fit(x: Record<string, Cell[]>, y: Label[], { onProgress, signal }: CallOptions): Promise<void> {
      signal.throwIfAborted();
      const rows = rowsOf(x);
      this.fits.push(rows.length);
      this.tables.push(x);
      centroids = [...new Set(y)].sort().map((label) => {
        const own = rows.filter((_, i) => y[i] === label);
        return {
          label,
          center: own[0]?.map((_, c) => own.reduce((sum, row) => sum + (row[c] ?? 0), 0) / own.length) ?? [],
        };
      });
      onProgress({ stage: "embedding", done: 1, total: 2 });
      return Promise.resolve();
    },
    predictProba(x: Record<string, Cell[]>, { signal }: CallOptions): Promise<number[][]> {
      signal.throwIfAborted();
      return Promise.resolve(
        rowsOf(x).map((row) => {
          const scores = centroids.map(({ center }) =>
            Math.exp(-Math.hypot(...row.map((value, c) => value - (center[c] ?? 0))))
          );
          const sum = scores.reduce((a, b) => a + b, 0);
          return scores.map((score) => score / sum);
        }),
      );
    },
    save: () => Promise.resolve(Uint8Array.of(1, 2, 3)),
  };
}

/** Dependencies for tests: files in memory, output in strings. */
export function fakeDependencies(files: Record<string, string>): Dependencies & {
  out: string;
  err: string;
  written: Record<string, string | Uint8Array>;
  predictor: ReturnType<typeof fakePredictor>;
  opened: unknown[];
  closed: number;
} {
  const predictor = fakePredictor();
  return {
    out: "",
    err: "",
    written: {},
    predictor,
    opened: [],
    closed: 0,
    signal: new AbortController().signal,
    open(options): Promise<Session> {
      this.opened.push(options);
      const close = (): void => {
        this.closed++;
      };
      return Promise.resolve({ predictor, device: "fake", close });
    },
    readFile(path): Promise<Uint8Array> {
      const name = path instanceof URL ? path.pathname.replace(/^.*\//, "") : path;
      const text = files[name];
      if (text === undefined) {
        return Promise.reject(new Error(`Cannot read "${name}": there is no such file or folder`));
      }
      return Promise.resolve(new TextEncoder().encode(text));
    },
    writeFile(path, data): Promise<void> {
      this.written[path] = data;
      return Promise.resolve();
    },
    print(text): void {
      this.out += text;
    },
    printError(text): void {
      this.err += text;
    },
  };
}
