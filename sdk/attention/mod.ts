/**
 * Attention over heads of tokens.
 *
 * @module
 */
export { attention, type AttentionOptions, type AttentionResult } from "./attention.ts";
