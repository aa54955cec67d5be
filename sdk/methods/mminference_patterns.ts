/**
 * Patterns of heads in MMInference, and how they are read.
 *
 * @module
 */

/** Everything that causality allows. */
export interface MmDense {
  /** Names the pattern. */
  readonly type: "dense";
}

/** The first `init` keys, and keys less than `local` before the query. */
export interface MmAShape {
  /** Names the pattern. */
  readonly type: "a_shape";
  /** First keys that are always seen. */
  readonly init: number;
  /** Distances below this are always seen. */
  readonly local: number;
}

/**
 * The keys and the distances that most of the attention of the last queries lies on; the first `init` keys and the distances below `local`
 * count as the best.
 */
export interface MmVerticalSlash {
  /** Names the pattern. */
  readonly type: "vertical_slash";
  /** Keys, at least `init`. */
  readonly nv: number;
  /** Distances, at least `local`. */
  readonly ns: number;
  /** First keys that are always seen. */
  readonly init: number;
  /** Distances below this are always seen. */
  readonly local: number;
}

/** Evenly spaced lines, beside the first `init` keys and the distances below `local`. */
export interface MmGrid {
  /** Names the pattern. */
  readonly type: "grid";
  /** Spaces between lines to choose from, such as the tokens of a frame; the phase is chosen too. */
  readonly strides: readonly number[];
  /** Whether the queries on the lines see all keys. */
  readonly hline: boolean;
  /** Whether all queries see the keys on the lines. */
  readonly vline: boolean;
  /** Whether queries see the keys at multiples of the stride before them. */
  readonly slash: boolean;
  /** First keys that are always seen. */
  readonly init: number;
  /** Distances below this are always seen. */
  readonly local: number;
}

/** What a query sees of a set of keys, which are counted in the order of their positions. */
export type MmPattern = MmDense | MmAShape | MmVerticalSlash | MmGrid;

/**
 * Where patterns begin and end: "none": one pattern over all tokens; "q": one for the queries of each modality, over all keys; "2d": one for
 * each pair of modalities.
 */
export type MmInter = "none" | "q" | "2d";

/** What one head does: `all` for inter "none", `q0`, `q1`, ... for "q", `q0k0`, `q0k1`, ... for "2d"; the numbers are those of modalities. */
export interface MmHead {
  /** Where patterns begin and end. */
  readonly inter: MmInter;
  /** The pattern of all tokens. */
  readonly all?: MmPattern;
  /** The pattern of the queries of a modality. */
  readonly [queries: `q${number}`]: MmPattern;
  /** The pattern of the queries of one modality over the keys of another. */
  readonly [pair: `q${number}k${number}`]: MmPattern;
}

/** Whether a head has this pattern, by its name. */
export function patternOf(head: MmHead, cell: string): MmPattern | undefined {
  return Object.hasOwn(head, cell) ? (head as unknown as Record<string, MmPattern>)[cell] : undefined;
}

/**
 * Reads the description of a head, from options or from JSON.
 *
 * @param where What is read, for errors.
 * @throws TypeError for the wrong kind of value, RangeError for a value that is out of range.
 */
export function parseHead(value: unknown, where: string): MmHead {
  const entries = objectOf(value, where);
  const { inter } = entries;
  if (inter !== "none" && inter !== "q" && inter !== "2d") {
    throw new RangeError(
      `Cannot use ${where}: "inter" is ${JSON.stringify(inter)}, expected "none", "q" or "2d"`,
    );
  }
  const cells = Object.entries(entries).filter(([cell]) => /^(all|q\d+(k\d+)?)$/.test(cell));
  return {
    inter,
    ...Object.fromEntries(
      cells.map(([cell, pattern]) => [cell, parsePattern(pattern, `"${cell}" of ${where}`)]),
    ),
  };
}

/** Reads one pattern; see {@linkcode parseHead}. */
export function parsePattern(value: unknown, where: string): MmPattern {
  const entries = objectOf(value, where);
  const size = (name: string): number => whole(entries[name], 0, `"${name}" of ${where}`);
  const flag = (name: string): boolean => {
    const given = entries[name];
    if (typeof given === "boolean") return given;
    throw new TypeError(`Cannot use ${where}: "${name}" is ${JSON.stringify(given)}, expected true or false`);
  };
  const ends = (): { init: number; local: number } => ({ init: size("init"), local: size("local") });
  switch (entries["type"]) {
    case "dense":
      return { type: "dense" };
    case "a_shape":
      return { type: "a_shape", ...ends() };
    case "vertical_slash":
      return { type: "vertical_slash", nv: size("nv"), ns: size("ns"), ...ends() };
    case "grid": {
      const strides: unknown = entries["strides"];
      if (!Array.isArray(strides)) {
        throw new TypeError(`Cannot use ${where}: "strides" is ${JSON.stringify(strides)}, expected a list`);
      }
      if (strides.length === 0) throw new RangeError(`Cannot use ${where}: "strides" is empty`);
      return {
        type: "grid",
        strides: strides.map((stride: unknown) => whole(stride, 1, `"strides" of ${where}`)),
        hline: flag("hline"),
        vline: flag("vline"),
        slash: flag("slash"),
        ...ends(),
      };
    }
    default:
      throw new RangeError(
        `Cannot use ${where}: "type" is ${
          JSON.stringify(entries["type"])
        }, expected "dense", "a_shape", "vertical_slash" or "grid"`,
      );
  }
}

/** The entries of an object that is neither null nor a list. */
export function objectOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new TypeError(`Cannot use ${where}: it is ${JSON.stringify(value)}, expected an object`);
}

/** Beyond this, float32 arithmetic on ranks is not exact enough. */
const MOST = 2 ** 20;

function whole(value: unknown, least: number, where: string): number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use ${where}: it is ${JSON.stringify(value)}, expected a number`);
  }
  if (Number.isInteger(value) && value >= least && value <= MOST) return value;
  throw new RangeError(
    `Cannot use ${where}: it is ${value}, expected a whole number from ${least} to ${MOST}`,
  );
}
