import { ApiError } from "./api_error.ts";

/**
 * Refuses a body that is not JSON.
 *
 * @param headers The request's headers.
 * @throws {ApiError} 415 if the content is something else, or compressed.
 */
export function checkJsonType(headers: Headers): void {
  const type = headers.get("content-type") ?? "";
  const encoding = headers.get("content-encoding") ?? "identity";
  if (/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type) && encoding.toLowerCase() === "identity") {
    return;
  }
  throw new ApiError(415, "unsupported_media_type", "Send the body as application/json without compression");
}

/**
 * Parses JSON.
 *
 * @param bytes Text in UTF-8.
 * @returns The value.
 * @throws {ApiError} 400 if it does not parse.
 */
export function parseJson(bytes: Uint8Array<ArrayBuffer>): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ApiError(400, "invalid_json", "The body is not valid UTF-8", { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError(400, "invalid_json", "The body is not valid JSON", { cause });
  }
}
