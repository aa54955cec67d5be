/**
 * Messages to one prompt.
 *
 * @module
 */

/** One message of a conversation. */
export interface Message {
  /** Who speaks: "system", "user", "assistant", or what else the template knows. */
  readonly role: string;
  /** What is said. */
  readonly content: string;
}

/** Renders messages as its model was trained to read them. */
export interface ChatTemplate {
  /**
   * The prompt for a conversation, up to the point where the model answers.
   *
   * @throws SyntaxError if the template refuses the messages or does not end.
   */
  render(messages: readonly Message[]): string;
}
