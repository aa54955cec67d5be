/**
 * Runs Jinja templates within bounds: they come with a model, and may not end or write without end.
 *
 * @module
 */

/** Renders a template with some variables. */
export type Render = (variables: Readonly<Record<string, unknown>>) => string;

/** Steps that a template can take: parts that are evaluated, elements that are looped over, and a share for long lists and texts. Seconds at most. */
export const MOST_STEPS = 2_000_000;

/** Characters that a text can have anywhere in a template. */
export const LONGEST_TEXT = 2 ** 24;

/** Parts inside each other, calls of macros included. */
const DEEPEST = 1000;

/** Elements of a list that is evaluated, and characters of a text, that cost one step. */
const ITEMS_PER_STEP = 16, CHARACTERS_PER_STEP = 256;

/**
 * Loads the package `@huggingface/jinja`.
 *
 * @returns Compiles a template. It throws a SyntaxError if the template does not parse; what it returns throws a TypeError if the template
 * refuses the variables or cannot be evaluated, and a RangeError if it does not end within {@linkcode MOST_STEPS}, {@linkcode LONGEST_TEXT} and
 * a depth of 1000.
 */
export async function templateEngine(): Promise<(source: string) => Render> {
  const { Environment, Interpreter, Template } = await import("@huggingface/jinja");

  /** Every part of a template is evaluated by one method, which counts here. */
  class Bounded extends Interpreter {
    #steps = 0;
    #depth = 0;
    /** Parts whose elements are looped over. */
    readonly #loops = new Set<unknown>();

    override evaluate(...[part, environment]: Parameters<InstanceType<typeof Interpreter>["evaluate"]>) {
      this.#count(1);
      if (part && "iterable" in part) this.#loops.add(listOf(part.iterable));
      if (++this.#depth > DEEPEST) throw new RangeError(`it is nested more than ${DEEPEST} deep`);
      try {
        const result = super.evaluate(part, environment);
        this.#countSize(result.value, this.#loops.has(part));
        return result;
      } finally {
        // Also when a loop is left by an exception.
        this.#depth--;
      }
    }

    #countSize(value: unknown, looped: boolean): void {
      if (Array.isArray(value)) this.#count(looped ? value.length : value.length / ITEMS_PER_STEP);
      if (typeof value !== "string") return;
      if (value.length > LONGEST_TEXT) {
        throw new RangeError(
          `it makes a text of ${value.length} characters, expected at most ${LONGEST_TEXT}`,
        );
      }
      this.#count(value.length / CHARACTERS_PER_STEP);
    }

    #count(steps: number): void {
      this.#steps += steps;
      if (this.#steps > MOST_STEPS) throw new RangeError(`it did not end within ${MOST_STEPS} steps`);
    }
  }

  const now = new Template("{{ strftime_now(form) }}");
  const names = {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    range,
    raise_exception: (message: unknown): never => {
      throw new TypeError(`it refuses the messages: ${message}`);
    },
    strftime_now: (form: unknown): string => now.render({ form }),
  };

  return (source) => {
    const { parsed } = attempt(() => new Template(source), SyntaxError);
    return (variables) => {
      const environment = new Environment();
      for (const [name, value] of Object.entries({ ...names, ...variables })) environment.set(name, value);
      const result = attempt(() => new Bounded(environment).run(parsed), TypeError);
      return String(result.value);
    };
  };
}

/** The list that a loop goes over, without the condition that it may have. */
function listOf(iterable: unknown): unknown {
  return typeof iterable === "object" && iterable !== null && "lhs" in iterable && "test" in iterable
    ? iterable.lhs
    : iterable;
}

/** Python's `range`, which is a list here. */
function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  const count = Math.max(0, Math.ceil((to - from) / step));
  // Not more than steps could go over; a step of 0 would give any number.
  if (!(count <= MOST_STEPS)) {
    throw new RangeError(`it makes a range of ${count} numbers, expected at most ${MOST_STEPS}`);
  }
  return Array.from({ length: count }, (_, i) => from + i * step);
}

/** Turns what a template throws into an error of ours; running out of stack or memory is a RangeError in every runtime. */
function attempt<T>(run: () => T, kind: typeof SyntaxError | typeof TypeError): T {
  try {
    return run();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const Kind = cause instanceof RangeError ? RangeError : kind;
    throw new Kind(`Cannot use the chat template: ${reason}`, { cause });
  }
}
