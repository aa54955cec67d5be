/**
 * Draws which tokens each head read to write a token of an answer.
 *
 * @module
 */
/// <reference lib="dom" />
import { percent } from "../../../cli/report.ts";
import type { Api } from "./api.ts";
import { make, messageOf } from "./dom.ts";
import { bar } from "./show_predictions.ts";

/** What was asked: the fields that a request for the answer and one for its reading have in common. */
export interface Question {
  /** The model. */
  readonly model: string;
  /** The chat up to the question. */
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  /** How the model attends. */
  readonly filigree: Readonly<Record<string, string>>;
}

interface Head {
  readonly weights: readonly number[];
  readonly read: readonly number[] | null;
}

interface Reading {
  readonly tokens: readonly string[];
  readonly prompt_tokens: number;
  readonly at: number;
  readonly layers: readonly { readonly heads: readonly Head[] }[];
}

/** Widest drawing of a head, in cells; longer texts share cells. */
const CELLS = 128;
/** Tokens of an answer that can be chosen. */
const MOST_CHOICES = 24;
/** Tokens whose shares are named. */
const NAMED = 3;

/**
 * Asks what was read and draws it.
 *
 * @param parent Receives the drawing.
 * @param api The server.
 * @param question What was asked.
 * @param answer The answer.
 * @param signal Gives up.
 */
export async function showReading(
  parent: HTMLElement,
  api: Api,
  question: Question,
  answer: string,
  signal: AbortSignal,
): Promise<void> {
  const load = async (at?: number): Promise<Reading> =>
    await api.json(
      "v1/filigree/attention",
      { ...question, answer, ...(at !== undefined && { at }) },
      signal,
    ) as Reading;
  let reading: Reading;
  try {
    reading = await load();
  } catch (error) {
    if (signal.aborted) throw error;
    parent.replaceChildren(
      make("p", { class: "notice" }, `What was read cannot be drawn: ${messageOf(error)}`),
    );
    return;
  }
  const drawing = make("div", {});
  /** The head that the user chose, for the next token too. */
  let chosen: string | undefined;
  const draw = (next: Reading): void =>
    drawing.replaceChildren(...drawingOf(next, chosen, (name) => chosen = name));
  const first = reading.prompt_tokens;
  const written = reading.tokens.slice(first, first + MOST_CHOICES);
  const choices = written.map((text, i) => {
    const radio = make("input", { type: "radio", name: "written" });
    radio.checked = i === 0;
    radio.addEventListener("change", () => {
      load(first - 1 + i).then((next) => radio.checked && draw(next), (error) => {
        drawing.replaceChildren(make("p", { class: "notice" }, messageOf(error)));
      });
    });
    return make("label", {}, radio, make("span", {}, shown(text)));
  });
  draw(reading);
  parent.replaceChildren(
    make("h2", {}, "What each head read"),
    make("fieldset", { class: "written" }, make("legend", {}, "To write"), ...choices),
    drawing,
  );
}

/** The heads as small pictures, one of which is chosen, and the text as that head read it. */
function drawingOf(
  { tokens, at, layers }: Reading,
  wanted: string | undefined,
  onChoose: (name: string) => void,
): HTMLElement[] {
  const text = make("div", {
    class: "read-text",
    role: "group",
    "aria-label": "The text, as this head read it",
  });
  const words = make("div", { class: "read-words", "aria-live": "polite" });
  const choose = ({ weights, read }: Head): void => {
    const seen = read && new Set(read);
    const most = Math.max(...weights);
    text.replaceChildren(
      ...tokens.slice(0, at + 1).flatMap((token, i) => {
        const mark = make("span", seen && !seen.has(i) ? { class: "skipped" } : {}, shown(token));
        mark.style.setProperty("--share", String(most > 0 ? weights[i]! / most : 0));
        mark.title = seen && !seen.has(i) ? "not read" : percent(weights[i]!);
        // Lines break before words, and elsewhere if they must.
        return [/^\s/.test(token) ? " " : make("wbr"), mark];
      }),
    );
    const best = weights.map((weight, i) => ({ weight, i })).toSorted((a, b) => b.weight - a.weight).slice(
      0,
      NAMED,
    );
    words.replaceChildren(
      make("p", {}, seen ? `Read ${seen.size} of ${at + 1} tokens.` : `Read all ${at + 1} tokens.`),
      ...best.map(({ weight, i }) => bar(shown(tokens[i]!), weight)),
    );
  };
  const all = layers.flatMap(({ heads }, layer) =>
    heads.map((head, number) => ({ head, layer, name: `Layer ${layer + 1}, head ${number + 1}` }))
  );
  const first = all.find(({ name }) => name === wanted) ??
    all.reduce((a, b) => focusOf(b.head) > focusOf(a.head) ? b : a);
  const option = ({ head, name }: typeof first): HTMLElement => {
    const title = gist(head, tokens);
    const radio = make("input", { type: "radio", name: "head", "aria-label": `${name}: ${title}` });
    radio.checked = head === first.head;
    radio.addEventListener("change", () => {
      onChoose(name);
      choose(head);
    });
    return make("label", { title }, radio, strip(head));
  };
  const rows = layers.map((_, layer) =>
    make(
      "div",
      { class: "layer" },
      make("span", { class: "layer-name", "aria-hidden": "true" }, `Layer ${layer + 1}`),
      make("div", { class: "strips" }, ...all.filter((head) => head.layer === layer).map(option)),
    )
  );
  choose(first.head);
  return [
    make("fieldset", { class: "heads" }, make("legend", {}, "Heads: the text from left to right"), ...rows),
    text,
    words,
  ];
}

/** The largest share of a token; not of the first, on which heads with nothing to do rest, nor of the newest. */
function focusOf({ weights }: Head): number {
  return Math.max(0, ...weights.slice(1, -1));
}

function gist({ weights, read }: Head, tokens: readonly string[]): string {
  const best = weights.indexOf(Math.max(...weights));
  const of = read ? `, ${read.length} tokens read` : "";
  return `most of ${shown(tokens[best] ?? "")} (${percent(weights[best] ?? 0)})${of}`;
}

/** A head as a row of cells: the stronger, the more of its attention they got; cells that it did not read stay empty. */
function strip({ weights, read }: Head): HTMLCanvasElement {
  const width = Math.min(weights.length, CELLS);
  const canvas = make("canvas", { width: String(width), height: "1", "aria-hidden": "true" });
  const context = canvas.getContext("2d")!;
  const pixels = context.createImageData(width, 1);
  const seen = read && new Set(read);
  weights.forEach((weight, i) => {
    if (seen && !seen.has(i)) return;
    const at = 4 * Math.floor((i * width) / weights.length);
    // Weak shares are visible too, and what was read at all.
    const alpha = Math.round(255 * (0.12 + 0.88 * Math.sqrt(weight)));
    if (alpha > pixels.data[at + 3]!) pixels.data.set([196, 122, 20, alpha], at);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** A token as a text that can be seen. */
function shown(token: string): string {
  const text = token.trim();
  return text === "" ? (token === "" ? "·" : "␣") : text;
}
