/** One of the things that are answered together. */
export interface BatchItem<Output> {
  /**
   * Answers it, and those that wait with it; called when its turn has come.
   *
   * @param signal Aborts when nobody waits for this item any more.
   * @returns Its answer.
   * @throws What the computation throws for this item; the signal's reason.
   */
  answer(signal: AbortSignal): Promise<Output>;
  /** Takes it back: to be called when its request ends, in whatever way. */
  leave(): void;
}

/** Gathers what waits, to compute it in one go. */
export interface Batch<Input, Output> {
  /** Adds an item that waits for its turn. */
  add(input: Input, size: number): BatchItem<Output>;
}

interface Entry<Input, Output> {
  readonly input: Input;
  readonly size: number;
  result: Promise<Output> | undefined;
  /** An earlier batch with this item failed, perhaps for another's sake. */
  alone: boolean;
  left: boolean;
  /** Stops the computation that it is part of once all parts have left. */
  stop: (() => void) | undefined;
}

/**
 * Answers what waits for the same thing together: a pass over 32 rows costs much less than 32 passes over one.
 *
 * Every item still waits for a turn of its own, in the service's bounded queue; whose turn comes first computes for the
 * others, whose turns then end at once. A computation that fails is done again for each item by itself, so that one
 * request's fault is not another's. It stops early only when all have left.
 *
 * @param run Computes the answers, in the order of the inputs.
 * @param most The largest size of a batch in total; a larger item is computed by itself.
 * @returns The batch.
 */
export function createBatch<Input, Output>(
  run: (inputs: readonly Input[], signal: AbortSignal) => Promise<readonly Output[]>,
  most: number,
): Batch<Input, Output> {
  const waiting = new Set<Entry<Input, Output>>();

  const take = (first: Entry<Input, Output>): Entry<Input, Output>[] => {
    const taken = [first];
    let size = first.size;
    for (const entry of first.alone ? [] : waiting) {
      if (entry === first || entry.alone || size + entry.size > most) continue;
      taken.push(entry);
      size += entry.size;
    }
    for (const entry of taken) waiting.delete(entry);
    return taken;
  };

  const compute = async (entries: readonly Entry<Input, Output>[]): Promise<readonly Output[]> => {
    const controller = new AbortController();
    for (const entry of entries) {
      entry.stop = (): void => {
        if (entries.every(({ left }) => left)) controller.abort();
      };
    }
    try {
      return await run(entries.map(({ input }) => input), controller.signal);
    } finally {
      for (const entry of entries) entry.stop = undefined;
    }
  };

  const answerTogether = async (entries: readonly Entry<Input, Output>[]): Promise<void> => {
    const all = compute(entries);
    entries.forEach((entry, i) => {
      entry.result = all.then((outputs) => outputs[i] as Output);
      entry.result.catch(() => {});
    });
    try {
      await all;
    } catch {
      for (const entry of entries) {
        entry.result = undefined;
        entry.alone = true;
        if (!entry.left) waiting.add(entry);
      }
    }
  };

  return {
    add(input, size) {
      const entry: Entry<Input, Output> = {
        input,
        size,
        result: undefined,
        alone: false,
        left: false,
        stop: undefined,
      };
      waiting.add(entry);
      const leave = (): void => {
        entry.left = true;
        waiting.delete(entry);
        entry.stop?.();
      };
      return {
        async answer(signal) {
          signal.throwIfAborted();
          signal.addEventListener("abort", leave, { once: true });
          try {
            if (!entry.result) {
              const entries = take(entry);
              if (entries.length > 1) await answerTogether(entries);
              signal.throwIfAborted();
            }
            if (entry.result) return await entry.result;
            waiting.delete(entry);
            return (await compute([entry]))[0] as Output;
          } catch (error) {
            signal.throwIfAborted();
            throw error;
          } finally {
            signal.removeEventListener("abort", leave);
          }
        },
        leave,
      };
    },
  };
}
