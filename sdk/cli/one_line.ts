/**
 * The first line of an error. The messages of an error and its causes would repeat each other; that of the outer one is enough.
 *
 * @param error What was thrown.
 * @returns At most 400 characters, without line breaks.
 */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  const line = (text.split(/[\r\n]/).find((part) => part.trim() !== "") ?? "Unknown failure").trim();
  return line.length > 400 ? `${line.slice(0, 400)}...` : line;
}
