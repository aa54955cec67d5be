/**
 * Reading of JSON profiles, with errors that name the field.
 *
 * @module
 */

/** An object of a file whose fields are not checked yet. */
export interface Fields {
  /** What is read, for errors: "this profile of sparseVdit". */
  readonly what: string;
  /** The fields. */
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads an object.
 *
 * @param json The text of a file, or what it holds.
 * @throws SyntaxError if the text is not JSON, TypeError if it is not an object, RangeError if its `version` is given and not 1.
 */
export function readFields(what: string, json: unknown): Fields {
  const value = parseJson(what, json);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new TypeError(`Cannot use ${what}: it is not an object of named fields`);
  }
  const values = value as Readonly<Record<string, unknown>>;
  const { version } = values;
  if (version !== undefined && version !== 1) {
    throw new RangeError(
      `Cannot use ${what}: it has version ${JSON.stringify(version)}, expected 1; calibrate again`,
    );
  }
  return { what, values };
}

/** A whole number of at least a limit. */
export function wholeField({ what, values }: Fields, key: string, least = 0): number {
  return whole(what, key, values[key], least);
}

/** A finite number. */
export function numberField({ what, values }: Fields, key: string): number {
  return finite(what, key, values[key]);
}

/** A list, item by item. */
export function listField<Item>(
  { what, values }: Fields,
  key: string,
  read: (item: unknown, where: string) => Item,
): Item[] {
  return list(what, key, values[key], read);
}

/** A list that lies at `where` in the file. */
export function list<Item>(
  what: string,
  where: string,
  value: unknown,
  read: (item: unknown, where: string) => Item,
): Item[] {
  if (!Array.isArray(value)) throw new TypeError(`Cannot use ${what}: "${where}" is not a list`);
  return value.map((item: unknown, i) => read(item, `${where}[${i}]`));
}

/** A whole number of at least a limit that lies at `where` in the file. */
export function whole(what: string, where: string, value: unknown, least = 0, most = Infinity): number {
  const number = finite(what, where, value);
  if (Number.isSafeInteger(number) && number >= least && number <= most) return number;
  const range = most < Infinity ? `from ${least} to ${most}` : `of at least ${least}`;
  throw new RangeError(`Cannot use ${what}: "${where}" is ${number}, expected a whole number ${range}`);
}

/** A finite number that lies at `where` in the file. */
export function finite(what: string, where: string, value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new TypeError(`Cannot use ${what}: "${where}" is ${JSON.stringify(value)}, expected a number`);
}

/** What a text of JSON holds; anything else as it is. */
export function parseJson(what: string, json: unknown): unknown {
  try {
    return typeof json === "string" ? JSON.parse(json) : json;
  } catch (cause) {
    throw new SyntaxError(`Cannot use ${what}: it is not JSON`, { cause });
  }
}
