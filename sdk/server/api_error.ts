/** The body of every answer that is not a success: OpenAI's shape. */
export interface ErrorBody {
  /** What went wrong. */
  error: {
    /** One sentence for people. */
    message: string;
    /** The kind: the client's mistake or the server's trouble. */
    type: "invalid_request_error" | "server_error";
    /** The field of the request that is wrong, or `null`. */
    param: string | null;
    /** A word for programs, or `null`. */
    code: string | null;
  };
}

/** A refusal that becomes the answer to a request. */
export class ApiError extends Error {
  /** The name of the class. */
  override readonly name = "ApiError";
  /** The HTTP status. */
  readonly status: number;
  /** A word for programs. */
  readonly code: string;
  /** The field of the request that is wrong. */
  readonly param: string | null;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * Makes a refusal.
   *
   * @param status The HTTP status.
   * @param code A word for programs.
   * @param message One sentence for people.
   * @param options `param` names the wrong field; `headers` go with the answer; `cause` is the error behind it.
   */
  constructor(
    status: number,
    code: string,
    message: string,
    options: { param?: string; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.param = options.param ?? null;
    this.headers = options.headers ?? {};
  }

  /**
   * Makes the body of the answer.
   *
   * @returns OpenAI's shape.
   */
  toBody(): ErrorBody {
    const type = this.status < 500 ? "invalid_request_error" : "server_error";
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }

  /**
   * Makes the answer.
   *
   * @returns A JSON response.
   */
  toResponse(): Response {
    return Response.json(this.toBody(), { status: this.status, headers: this.headers });
  }
}
