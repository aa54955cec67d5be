/**
 * The second tab: a chat with the language model, and what each of its heads read.
 *
 * @module
 */
/// <reference lib="dom" />
import type { Api } from "./api.ts";
import { element, make, messageOf, say, swapButtons } from "./dom.ts";
import { type Question, showReading } from "./show_reading.ts";

/** A message of the chat. */
interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** What the page reads of the server's list of models. */
interface ModelCard {
  readonly id: string;
  readonly filigree?: Readonly<Record<Choice, readonly string[] | undefined>>;
}

/** What the page reads of an event. */
interface Chunk {
  readonly choices: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly filigree?: { readonly kv_bytes: number };
}

const CHOICES = ["kv", "select", "prefill"] as const;
type Choice = typeof CHOICES[number];

const LABELS: Readonly<Record<Choice, string>> = {
  kv: "Keys and values kept as",
  select: "New tokens read",
  prefill: "Prompts attend by",
};

/**
 * Brings the tab to life.
 *
 * @param api The server.
 * @param prompts Texts to begin with.
 */
export function chatPanel(api: Api, prompts: readonly string[]): void {
  const form = element("chat-form", HTMLFormElement);
  const input = element("message", HTMLTextAreaElement);
  const log = element("messages", HTMLElement);
  const send = element("send", HTMLButtonElement);
  const stop = element("chat-stop", HTMLButtonElement);
  const fresh = element("fresh", HTMLButtonElement);
  const status = element("chat-status", HTMLElement);
  const offers = element("offers", HTMLElement);
  const reading = element("reading", HTMLElement);
  const tokens = element("max-tokens", HTMLInputElement);
  const chosen = new Map<Choice, HTMLSelectElement>();
  let messages: Message[] = [];
  let running: AbortController | undefined;
  let model: Promise<string> | undefined;

  /** The model's name; its choices become fields. Asked for once, and again if that failed. */
  const modelOf = (): Promise<string> => {
    const asking = model ??= describe(api, chosen);
    asking.catch(() => model = undefined);
    return asking;
  };
  const filigree = (): Record<string, string> =>
    Object.fromEntries(
      [...chosen].map(([name, { value }]) => [name, value]).filter(([, value]) => value !== ""),
    );

  const setBusy = (busy: boolean): void => {
    swapButtons(send, stop, busy);
    fresh.disabled = busy;
    log.setAttribute("aria-busy", String(busy));
  };
  const bubble = ({ role, content }: Message): HTMLElement => {
    const text = make("p", {}, content);
    const who = role === "user" ? "You" : "Model";
    log.append(make("li", { class: role }, make("span", { class: "who" }, who), text));
    return text;
  };

  const ask = async (content: string): Promise<void> => {
    const { signal } = running = new AbortController();
    const before = messages;
    messages = [...before, { role: "user", content }];
    reading.replaceChildren();
    offers.hidden = true;
    bubble({ role: "user", content });
    input.value = "";
    setBusy(true);
    const text = bubble({ role: "assistant", content: "" });
    let answer = "";
    try {
      say(status, "The model reads");
      const question: Question = { model: await modelOf(), messages, filigree: filigree() };
      let end: Chunk | undefined;
      const body = {
        ...question,
        stream: true,
        stream_options: { include_usage: true },
        temperature: 0,
        max_tokens: Number(tokens.value),
      };
      for await (const chunk of api.events("v1/chat/completions", body, signal) as AsyncIterable<Chunk>) {
        answer += chunk.choices[0]?.delta?.content ?? "";
        text.textContent = answer;
        if (chunk.usage) end = chunk;
      }
      say(status, summaryOf(end));
      if (answer.trim() === "") text.textContent = "(no answer)";
      else await showReading(reading, api, question, answer, signal);
    } catch (error) {
      if (signal.aborted) say(status, "Stopped");
      else say(status, messageOf(error), true);
    } finally {
      // A question without an answer is taken back, so that the next one does not follow it.
      if (answer.trim() === "") {
        messages = before;
        if (text.textContent === "") text.textContent = "(no answer)";
      } else {
        messages = [...messages, { role: "assistant", content: answer }];
      }
      setBusy(false);
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const content = input.value.trim();
    if (content !== "" && stop.hidden && tokens.reportValidity()) void ask(content);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  stop.addEventListener("click", () => running?.abort(new Error("Stopped")));
  fresh.addEventListener("click", () => {
    messages = [];
    log.replaceChildren();
    reading.replaceChildren();
    offers.hidden = prompts.length === 0;
    say(status, "");
    input.focus();
  });
  offers.hidden = prompts.length === 0;
  offers.append(...prompts.map((prompt) => {
    const offer = make("button", { type: "button", class: "offer" }, prompt);
    offer.addEventListener("click", () => {
      input.value = prompt;
      input.focus();
    });
    return offer;
  }));
  modelOf().catch((error) => say(status, messageOf(error), true));
}

/** Asks for the model's name, shows it, and makes a field of each choice that there is. */
async function describe(api: Api, chosen: Map<Choice, HTMLSelectElement>): Promise<string> {
  const { data: [card] } = await api.json("v1/models") as { data: readonly ModelCard[] };
  if (!card) throw new Error("The server has no language model");
  for (const choice of CHOICES) {
    const names = card.filigree?.[choice] ?? [];
    if (names.length === 0) continue;
    const select = make("select", {}, new Option("as loaded", ""), ...names.map((name) => new Option(name)));
    chosen.set(choice, select);
    element("choices", HTMLElement).append(make("label", {}, LABELS[choice], select));
  }
  element("model-name", HTMLElement).textContent = card.id;
  return card.id;
}

function summaryOf({ usage, filigree }: Partial<Chunk> = {}): string {
  if (!usage) return "Answered";
  const bytes = filigree ? `; keys and values take ${(filigree.kv_bytes / 2 ** 20).toFixed(2)} MiB` : "";
  return `${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written${bytes}`;
}
