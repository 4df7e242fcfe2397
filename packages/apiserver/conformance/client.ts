/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import assert from "node:assert/strict";

/** The server under test. `fetch` knows how to trust it. */
export interface ServerUnderTest {
  readonly url: string;
  readonly token: string;
  readonly fetch: typeof fetch;
}

/** Any JSON object; cases look where they want. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the cases read answers of all shapes
export type Body = any;

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
}

export interface CallOptions {
  readonly contentType?: string;
  readonly accept?: string;
  readonly token?: string;
}

export interface WatchLine {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Body;
}

export interface Watch extends AsyncDisposable {
  readonly status: number;
  /** The next line; undefined at the end. Rejects after ten seconds of silence. */
  next(): Promise<WatchLine | undefined>;
}

export interface Client {
  readonly call: (method: string, path: string, body?: unknown, options?: CallOptions) => Promise<Answer>;
  /** Like `call`, and asserts the status. Returns the body. */
  readonly expect: (
    status: number,
    method: string,
    path: string,
    body?: unknown,
    options?: CallOptions,
  ) => Promise<Body>;
  readonly watch: (path: string, options?: CallOptions) => Promise<Watch>;
}

export function createClient({ url, token, fetch }: ServerUnderTest): Client {
  function headersOf(options: CallOptions, hasBody: boolean): Record<string, string> {
    return {
      authorization: `Bearer ${options.token ?? token}`,
      accept: options.accept ?? "application/json",
      "user-agent": "conformance/1.0",
      ...(hasBody ? { "content-type": options.contentType ?? "application/json" } : {}),
    };
  }

  async function call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(url + path, {
      method,
      headers: headersOf(options, text !== undefined),
      ...(text === undefined ? {} : { body: text }),
    });
    const answer = await response.text();
    let parsed: Body = answer;
    try {
      parsed = JSON.parse(answer);
    } catch {
      // Health checks and YAML stay text.
    }
    return { status: response.status, body: parsed, headers: response.headers };
  }

  return {
    call,
    async expect(status, method, path, body, options) {
      const answer = await call(method, path, body, options);
      assert.equal(
        answer.status,
        status,
        `${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`,
      );
      return answer.body;
    },
    async watch(path, options = {}) {
      const controller = new AbortController();
      const response = await fetch(url + path, { headers: headersOf(options, false), signal: controller.signal });
      const lines = readLines(response);
      return {
        status: response.status,
        async next() {
          const timeout = setTimeout(
            () => controller.abort(new Error(`the watch ${path} said nothing for 10 s`)),
            10_000,
          );
          try {
            const { value, done } = await lines.next();
            return done === true ? undefined : value;
          } finally {
            clearTimeout(timeout);
          }
        },
        async [Symbol.asyncDispose]() {
          controller.abort();
          await lines.return(undefined).catch(() => undefined);
        },
      };
    },
  };
}

async function* readLines(response: Response): AsyncGenerator<WatchLine, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield JSON.parse(line) as WatchLine;
  }
  return undefined;
}
