/**
 * Elements of the page. Texts become text nodes and attributes, never markup.
 *
 * @module
 */
/// <reference lib="dom" />

/**
 * Finds an element that the page has.
 *
 * @param id Its id.
 * @param type What it is.
 * @returns The element.
 */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`The page has no ${type.name} "${id}"`);
  return found;
}

/**
 * Makes an element.
 *
 * @param tag What it is.
 * @param attributes Its attributes.
 * @param children What is in it.
 * @returns The element.
 */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Says something in a line of the page; screen readers hear changes only.
 *
 * @param line The line.
 * @param text What is said.
 * @param isError Whether something went wrong.
 */
export function say(line: HTMLElement, text: string, isError = false): void {
  line.classList.toggle("error", isError);
  if (line.textContent !== text) line.textContent = text;
}

/**
 * Shows the button that stops something in the place of the one that starts it while it runs. Focus does not get lost with the button that has it.
 *
 * @param start The one.
 * @param stop The other.
 * @param running Whether it runs.
 */
export function swapButtons(start: HTMLElement, stop: HTMLElement, running: boolean): void {
  const [shown, gone] = running ? [stop, start] : [start, stop];
  const held = document.activeElement === gone;
  shown.hidden = false;
  gone.hidden = true;
  if (held) shown.focus();
}

/**
 * Gives the user a file.
 *
 * @param name Its name.
 * @param text What is in it.
 * @param type Its type.
 */
export function download(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
