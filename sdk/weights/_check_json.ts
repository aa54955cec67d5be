/**
 * What JSON.parse does not tell about a text.
 *
 * @module
 */

/**
 * Finds keys that an object has twice and nesting beyond a depth, without recursion.
 *
 * Other errors of syntax are left to JSON.parse.
 *
 * @param text JSON, not yet parsed.
 * @param maxDepth Levels of objects and arrays that are fine.
 * @returns What is wrong, as the end of a sentence, or nothing.
 */
export function checkJson(text: string, maxDepth: number): string | undefined {
  // One entry per open bracket: the keys so far of an object, undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "{" || char === "[") {
      if (open.length === maxDepth) return `its brackets are nested more than ${maxDepth} deep`;
      open.push(char === "{" ? new Set() : undefined);
    } else if (char === "}" || char === "]") {
      open.pop();
    } else if (char === '"') {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (keys !== undefined && isKey(text, end)) {
        const key = unescape(text.slice(i, end));
        if (key !== undefined && keys.has(key)) return `key ${JSON.stringify(key)} comes twice`;
        if (key !== undefined) keys.add(key);
      }
      i = end - 1;
    }
  }
  return undefined;
}

/** The index after the closing quote. */
function endOfString(text: string, begin: number): number {
  for (let i = begin + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

function isKey(text: string, end: number): boolean {
  let i = end;
  while (text[i] === " " || text[i] === "\n" || text[i] === "\r" || text[i] === "\t") i++;
  return text[i] === ":";
}

/** The value of a string literal, nothing if it is malformed. */
function unescape(literal: string): string | undefined {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return JSON.parse(literal);
  } catch {
    return undefined;
  }
}
