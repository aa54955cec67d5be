/**
 * Texts whose questions can only be answered by looking far back: statements among filler words, and questions at the end.
 *
 *     <bos>  words ...  slots: statements among words ...  words ...  questions
 *
 * | task | statement | question |
 * | --- | --- | --- |
 * | `pairs` | `note NAME VALUE .` | `ask NAME VALUE .` |
 * | `records` | `note NAME FIELD VALUE VALUE .` | `ask NAME FIELD VALUE VALUE .` |
 *
 * Keys (names, or names with fields) are distinct within a text, each is asked at most once; values are drawn freely. A needle is a text of one record.
 *
 * @module
 */

/** What the ids of the recall model's vocabulary mean; each range ends where the next one begins. */
export const RECALL_IDS = {
  bos: 2,
  note: 3,
  ask: 4,
  stop: 5,
  filler: 16,
  field: 256,
  name: 288,
  value: 640,
  end: 1024,
} as const;

const NAMES = RECALL_IDS.value - RECALL_IDS.name;
const FIELDS = RECALL_IDS.name - RECALL_IDS.field;

/** The kinds of texts. */
export type RecallTask = "pairs" | "records";

/** Which text to make. */
export interface RecallOptions {
  /** What its statements are. */
  readonly task: RecallTask;
  /** Its tokens, the answers included. */
  readonly tokens: number;
  /** Its statements. */
  readonly statements: number;
  /** How many of them are asked. @default all */
  readonly questions?: number;
  /** Where a single statement stands, from 0 (at the beginning) to 1; by default anywhere. */
  readonly depth?: number;
  /** Seed; only its low 32 bits count. */
  readonly seed: number;
}

/** A question of a text. */
export interface RecallQuestion {
  /** Place of its first token, `ask`. */
  readonly at: number;
  /** Place of the first token of its answer. */
  readonly answerAt: number;
  /** The ids of its answer. */
  readonly answer: readonly number[];
  /** Tokens from the statement to the question. */
  readonly distance: number;
}

/** A text with its questions. */
export interface RecallText {
  /** All tokens. Cut off at `answerAt` they are the prompt of a question, with the questions before it answered. */
  readonly ids: Int32Array;
  /** Its questions in order. */
  readonly questions: readonly RecallQuestion[];
}

/** How statements are built: `keys` different keys of `parts` words each, and `values` words of answer. */
interface Form {
  readonly keys: number;
  readonly parts: number;
  readonly values: number;
}

const FORMS: Readonly<Record<RecallTask, Form>> = {
  pairs: { keys: NAMES, parts: 1, values: 1 },
  records: { keys: NAMES * FIELDS, parts: 2, values: 2 },
};

/**
 * The most statements that a text can have.
 *
 * @param task What they are.
 * @param tokens Tokens of the text.
 * @param questions Questions at its end.
 * @returns The number; negative or zero if not even the questions fit.
 */
export function recallCapacity(task: RecallTask, tokens: number, questions: number): number {
  const { keys, parts, values } = FORMS[task];
  // One slot is left out: its words go before and behind the slots, so that distances take all values.
  return Math.min(keys, Math.floor((tokens - 1) / (2 + parts + values)) - questions - 1);
}

/**
 * Makes a text. The same options give the same text everywhere.
 *
 * Drawn from one stream (mulberry32), in this order: words before the slots; keys; values, statement by statement; slots of the
 * statements (unless `depth` says it), then sorted; statements that are asked, in the order of the questions; the filler words from left
 * to right, early ones of the vocabulary more often.
 *
 * @param options Which text.
 * @returns The text and its questions.
 * @throws RangeError if so many statements and questions do not fit, or depth is not from 0 to 1 with one statement.
 */
export function recallText(options: RecallOptions): RecallText {
  const { task, tokens, statements, questions = statements, depth, seed } = options;
  const { keys, parts, values } = FORMS[task];
  const width = 2 + parts + values;
  const most = recallCapacity(task, tokens, questions);
  if (!(questions >= 1 && questions <= statements && statements <= most)) {
    throw new RangeError(
      `Cannot make a text of ${tokens} tokens with ${statements} ${task} and ${questions} questions: expected at most ${most} and at least one question`,
    );
  }
  if (depth !== undefined && !(depth >= 0 && depth <= 1 && statements === 1)) {
    throw new RangeError(
      `Cannot put ${statements} statements at depth ${depth}: expected one statement and a depth from 0 to 1`,
    );
  }
  const { unit, below, distinct } = draws(seed);
  const room = Math.floor((tokens - 1) / width) - questions - 1;
  const lead = below(tokens - width * (room + questions));
  const bodies = distinct(statements, keys).map((key) => {
    const name = RECALL_IDS.name + key % NAMES;
    return parts === 1 ? [name] : [name, RECALL_IDS.field + Math.floor(key / NAMES)];
  });
  for (const body of bodies) {
    for (let i = 0; i < values; i++) body.push(RECALL_IDS.value + below(RECALL_IDS.end - RECALL_IDS.value));
  }
  const slots = depth === undefined
    ? distinct(statements, room).sort((a, b) => a - b)
    : [Math.round(depth * (room - 1))];

  const ids = new Int32Array(tokens);
  ids[0] = RECALL_IDS.bos;
  const places = slots.map((slot) => 1 + lead + width * slot);
  const write = (at: number, marker: number, body: readonly number[]) =>
    ids.set([marker, ...body, RECALL_IDS.stop], at);
  places.forEach((at, i) => write(at, RECALL_IDS.note, bodies[i] as number[]));
  const asked = distinct(questions, statements).map((statement, i): RecallQuestion => {
    const at = tokens - width * (questions - i);
    const body = bodies[statement] as number[];
    write(at, RECALL_IDS.ask, body);
    return {
      at,
      answerAt: at + 1 + parts,
      answer: body.slice(parts),
      distance: at - (places[statement] as number),
    };
  });
  for (let i = 0; i < tokens; i++) {
    if (ids[i] === 0) {
      ids[i] = RECALL_IDS.filler + Math.floor(unit() ** 2 * (RECALL_IDS.field - RECALL_IDS.filler));
    }
  }
  return { ids, questions: asked };
}

interface Draws {
  unit(): number;
  below(n: number): number;
  distinct(count: number, of: number): number[];
}

function draws(seed: number): Draws {
  let state = seed >>> 0;
  const bits = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const unit = (): number => bits() / 0x1_0000_0000;
  const below = (n: number): number => Math.floor(unit() * n);
  const distinct = (count: number, of: number): number[] => {
    const moved = new Map<number, number>();
    return Array.from({ length: count }, (_, i) => {
      const j = i + below(of - i);
      const drawn = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
      return drawn;
    });
  };
  return { unit, below, distinct };
}
