import type { Part } from "./parts.ts";
import type { TokenText } from "./token_texts.ts";

/** How one kind of answer is written. */
export interface AnswerFormat {
  /** What ids begin with. */
  readonly prefix: string;
  /** The name of a whole answer, and of an event. */
  readonly object: string;
  readonly chunk: string;
  /** One of the answers, complete. */
  choice(part: Part): object;
  /** A part of one of the answers; `first` if nothing of it came before. */
  delta(part: Part, first: boolean): object;
}

/** Answers of `POST /v1/completions`. */
export const COMPLETION: AnswerFormat = {
  prefix: "cmpl",
  object: "text_completion",
  chunk: "text_completion",
  choice: completionChoice,
  delta: completionChoice,
};

/** Answers of `POST /v1/chat/completions`. */
export const CHAT: AnswerFormat = {
  prefix: "chatcmpl",
  object: "chat.completion",
  chunk: "chat.completion.chunk",
  choice: ({ index, text, tokens, finish }) => ({
    index,
    message: { role: "assistant", content: text, refusal: null },
    logprobs: chatLogprobs(tokens),
    finish_reason: finish,
  }),
  delta: ({ index, text, tokens, finish }, first) => ({
    index,
    delta: { ...(first && { role: "assistant" }), ...((first || text !== "") && { content: text }) },
    logprobs: chatLogprobs(tokens),
    finish_reason: finish,
  }),
};

function completionChoice({ index, text, tokens, finish }: Part): object {
  return {
    index,
    text,
    logprobs: tokens
      ? {
        tokens: tokens.map((token) => token.text),
        token_logprobs: tokens.map(({ logprob }) => logprob),
        top_logprobs: tokens.map(byText),
        text_offset: tokens.map(({ offset }) => offset),
      }
      : null,
    finish_reason: finish,
  };
}

/** Of tokens with the same text the likeliest counts; the token itself is among them. */
function byText(token: TokenText): object {
  const entries = [...token.top, token].map(({ text, logprob }) => [text, logprob] as const);
  return Object.fromEntries(
    entries.filter(([text], at) => entries.findIndex(([other]) => other === text) === at),
  );
}

function chatLogprobs(tokens: readonly TokenText[] | undefined): object | null {
  if (!tokens) return null;
  const named = ({ text, logprob }: TokenText["top"][number]): object => ({
    token: text,
    logprob,
    // Of a part of a character the bytes are not known.
    bytes: text === "" || text.includes("\uFFFD") ? null : [...new TextEncoder().encode(text)],
  });
  return {
    content: tokens.map((token) => ({ ...named(token), top_logprobs: token.top.map(named) })),
    refusal: null,
  };
}
