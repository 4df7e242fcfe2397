/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import assert from "node:assert/strict";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

/** The server under test. */
export interface ServerUnderTest {
  /** Which of the two a case with `differs` expects the answers of. */
  readonly flavor: "embedded" | "kube-apiserver";
  readonly url: string;
  /** Of a user who may do everything. */
  readonly token: string;
  /** Of a user who may do nothing; a server without roles does not know it. */
  readonly strangerToken: string;
  /** PEM of what to trust, for HTTPS. */
  readonly ca?: string;
  /** Forgets the past: what is older than now answers 410 from soon on. */
  compact(): Promise<void>;
}

/** Any JSON object; cases look where they want. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the cases read answers of all shapes
export type Body = any;

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers: IncomingHttpHeaders;
}

export interface CallOptions {
  readonly contentType?: string;
  readonly accept?: string;
  /** Empty: no Authorization header at all. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WatchLine {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: Body;
}

export interface Watch extends AsyncDisposable {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
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

const silenceMs = 10_000;

/** Speaks HTTP/1.1 as it is, so that headers arrive as the server sent them. Disposing it closes its connections. */
export function createClient({ url, token, ca }: ServerUnderTest): Client & Disposable {
  const secure = url.startsWith("https:");
  const settings = { keepAlive: true, ...(ca === undefined ? {} : { ca }) };
  const agent = secure ? new HttpsAgent(settings) : new HttpAgent(settings);
  const open = new Set<ClientRequest>();

  function send(method: string, path: string, body: unknown, options: CallOptions): Promise<IncomingMessage> {
    const text =
      body === undefined || typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
    const given = options.token ?? token;
    const headers = {
      ...(given === "" ? {} : { authorization: `Bearer ${given}` }),
      accept: options.accept ?? "application/json",
      "user-agent": "conformance/1.0",
      ...(text === undefined ? {} : { "content-type": options.contentType ?? "application/json" }),
      ...(text === undefined ? {} : { "content-length": Buffer.byteLength(text) }),
      ...options.headers,
    };
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(url + path, { method, headers, agent }, resolve);
      open.add(request);
      request.on("close", () => open.delete(request));
      request.on("error", reject);
      request.end(text);
    });
  }

  async function call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const response = await send(method, path, body, options);
    response.setEncoding("utf8");
    let answer = "";
    for await (const chunk of response) answer += chunk as string;
    let parsed: Body = answer;
    try {
      parsed = JSON.parse(answer);
    } catch {
      // Health checks and YAML stay text.
    }
    return { status: response.statusCode ?? 0, body: parsed, headers: response.headers };
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
      const response = await send("GET", path, undefined, options);
      const lines = readLines(response);
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        async next() {
          const timeout = setTimeout(
            () => response.destroy(new Error(`the watch ${path} said nothing for ${silenceMs / 1000} s`)),
            silenceMs,
          );
          try {
            const { value, done } = await lines.next();
            return done === true ? undefined : value;
          } finally {
            clearTimeout(timeout);
          }
        },
        async [Symbol.asyncDispose]() {
          response.destroy();
          await lines.return(undefined).catch(() => undefined);
        },
      };
    },
    [Symbol.dispose]() {
      for (const request of open) request.destroy();
      agent.destroy();
    },
  };
}

async function* readLines(response: IncomingMessage): AsyncGenerator<WatchLine, undefined> {
  response.setEncoding("utf8");
  let rest = "";
  for await (const chunk of response) {
    const lines = (rest + (chunk as string)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield JSON.parse(line) as WatchLine;
  }
  // An answer that is no stream of events is one JSON document, and whoever expected events wants to see it.
  if (rest !== "") yield JSON.parse(rest) as WatchLine;
  return undefined;
}
