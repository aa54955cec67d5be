/** Runs something, and keeps the lines that it writes to the console as errors. */
export async function errorsOf(run: () => Promise<void>): Promise<string[]> {
  const { error } = console;
  const lines: string[] = [];
  console.error = (line: string) => lines.push(line);
  try {
    await run();
  } finally {
    console.error = error;
  }
  return lines;
}
