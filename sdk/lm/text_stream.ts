/**
 * Text of tokens as they come.
 *
 * @module
 */

/** Puts text together from tokens as they come. */
export interface TextStream {
  /** Takes tokens; gives the text that is complete by now. Characters whose bytes are still coming are held back. */
  push(ids: ArrayLike<number>): string;
  /** The end: gives what was held back. */
  end(): string;
}

/** Decoders write this where bytes are missing or wrong. */
const REPLACEMENT = "\uFFFD";

/** A text that is never complete is given out after so many tokens, so that the work for a token stays bounded. */
const MOST_PENDING = 64;

/**
 * Makes a stream of a decoder of whole lists of tokens.
 *
 * The decoder sees a token together with those before it, because it may drop the space that begins a text. A cut-off character can only
 * be the last one, where decoders write U+FFFD; so nothing else is held back.
 *
 * @param decode Gives the text of some tokens.
 * @returns The stream.
 */
export function textStream(decode: (ids: readonly number[]) => string): TextStream {
  /** Tokens before the pending ones, and the length of their text. */
  let context: number[] = [];
  let before = 0;
  let pending: number[] = [];
  /** Length of what was given out of the pending tokens. */
  let given = 0;

  const settle = (text: string): string => {
    const part = text.slice(before + given);
    context = pending.slice(-4);
    before = decode(context).length;
    pending = [];
    given = 0;
    return part;
  };
  return {
    push(ids) {
      if (ids.length === 0) return "";
      for (let i = 0; i < ids.length; i++) pending.push(ids[i]!);
      const text = decode([...context, ...pending]);
      if (!text.endsWith(REPLACEMENT) || pending.length > MOST_PENDING) return settle(text);
      const part = text.slice(before + given, -1);
      given += part.length;
      return part;
    },
    end: () => pending.length === 0 ? "" : settle(decode([...context, ...pending])),
  };
}
