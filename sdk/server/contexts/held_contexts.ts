import type { Limits } from "../limits.ts";
import type { ForkedClassifier } from "../served_classifier.ts";

/** Fitted contexts that are ready to predict: copies of what the store has, the last used ones. */
export interface HeldContexts {
  /** How many there are. */
  readonly count: number;
  /** The bytes of their files. */
  readonly bytes: number;
  /**
   * Works with a context, which is not freed meanwhile.
   *
   * @param id Its id.
   * @param restore Makes it if it is not there.
   * @param work What to do.
   * @returns What the work returned.
   */
  use<T>(
    id: string,
    restore: () => Promise<Restored>,
    work: (classifier: ForkedClassifier) => Promise<T>,
  ): Promise<T>;
  /** Takes a context that was just made. */
  add(id: string, restored: Restored): void;
  /** Frees a context. */
  drop(id: string): void;
}

/** A context on the device. */
export interface Restored {
  /** It. */
  readonly classifier: ForkedClassifier;
  /** The bytes of its file. */
  readonly size: number;
}

interface Entry extends Restored {
  users: number;
}

/**
 * Holds contexts on the device as far as there is room; those that were not used for longest go first.
 *
 * @param limits How many, and how many bytes.
 * @returns None yet.
 */
export function createHeldContexts(limits: Pick<Limits, "contexts" | "contextBytes">): HeldContexts {
  /** In the order of their last use. */
  const entries = new Map<string, Entry>();
  let bytes = 0;

  const remove = (id: string, entry: Entry): void => {
    entries.delete(id);
    bytes -= entry.size;
    if (entry.users === 0) entry.classifier.dispose();
  };
  const trim = (): void => {
    for (const [id, entry] of entries) {
      if (entries.size <= limits.contexts && bytes <= limits.contextBytes) return;
      if (entry.users === 0) remove(id, entry);
    }
  };
  const add = (id: string, { classifier, size }: Restored): Entry => {
    const entry = { classifier, size, users: 0 };
    entries.set(id, entry);
    bytes += size;
    return entry;
  };
  const touch = (id: string): Entry | undefined => {
    const entry = entries.get(id);
    if (entry) {
      entries.delete(id);
      entries.set(id, entry);
    }
    return entry;
  };

  return {
    get count() {
      return entries.size;
    },
    get bytes() {
      return bytes;
    },
    async use(id, restore, work) {
      let entry = touch(id);
      if (!entry) {
        const restored = await restore();
        entry = touch(id);
        // Another may have restored it meanwhile.
        if (entry) restored.classifier.dispose();
        else entry = add(id, restored);
      }
      entry.users++;
      try {
        trim();
        return await work(entry.classifier);
      } finally {
        entry.users--;
        if (entry.users === 0 && entries.get(id) !== entry) entry.classifier.dispose();
        trim();
      }
    },
    add(id, restored): void {
      add(id, restored);
      trim();
    },
    drop(id): void {
      const entry = entries.get(id);
      if (entry) remove(id, entry);
    },
  };
}
