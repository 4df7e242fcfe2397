import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { describeError, silentLogger, systemClock, type Clock, type Logger, type Timer } from "@almanac/core";
import { parse, YAMLParseError } from "yaml";
import { ExpositionError } from "../error.ts";
import { createAccess, digest, type Access, type AccessRules } from "./access.ts";
import { comparePassword as compareWithBcrypt, type ComparePassword } from "./compare-password.ts";
import { readFields, shown, type Fields } from "./fields.ts";
import { readTlsSettings, type TlsSettings } from "./tls-settings.ts";

export interface WebConfigOptions {
  /** Path of the file. Paths within it are relative to its folder. */
  readonly file: string;
  /** Compares the passwords of `basic_auth_users`. Default: bcrypt in a thread of its own. */
  readonly comparePassword?: ComparePassword;
  /** How often the file and those it names are looked at for changes. Default: 5,000. */
  readonly reloadIntervalMs?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Settings in force; a change of the file replaces them. */
export interface WebSettings {
  /** `undefined`: plain HTTP. */
  readonly tls: TlsSettings | undefined;
  /** Headers of every answer. */
  readonly headers: ReadonlyMap<string, string>;
  readonly access: Access;
}

/** A file of TLS and access settings that is kept up with. */
export interface WebConfig extends Disposable {
  readonly settings: WebSettings;
  /** `onChange` is called with each new version of the file that can be used. One listener. */
  watch(onChange: (settings: WebSettings) => void): void;
}

/**
 * Reads TLS, authentication, headers and a rate limit from a file in the format of Prometheus' exporter-toolkit
 * (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md), the one `--web.config.file` names. One field is added:
 * `bearer_token_files`, a list of files with a token each. The endpoint speaks HTTP/1.1 whatever `http2` says. A new version that cannot be
 * used is logged once, and the old one stays; so is one that lets anybody in where clients had to say who they are.
 *
 * @throws ExpositionError `invalid_web_config`, `invalid_options`.
 */
export async function loadWebConfig(options: WebConfigOptions): Promise<WebConfig> {
  const { reloadIntervalMs = 5_000, logger = silentLogger, clock = systemClock } = options;
  if (!(reloadIntervalMs > 0)) {
    throw new ExpositionError("invalid_options", `reloadIntervalMs must be positive, got ${reloadIntervalMs}`);
  }
  const { file } = options;
  let { settings, fingerprint, admits } = await read(options, clock);
  let listener: ((settings: WebSettings) => void) | undefined;
  let refused = "";
  let timer: Timer | undefined;
  let disposed = false;

  async function reload(): Promise<void> {
    try {
      const fresh = await read(options, clock, fingerprint);
      if (fresh !== undefined && !disposed) {
        if (fixedPart(fresh.settings) !== fixedPart(settings)) {
          const message = `${file}: TLS and its client_auth_type cannot be changed while serving; restart`;
          throw new ExpositionError("invalid_web_config", message);
        }
        // A file that is being written is cut off for a moment.
        if (fresh.admits === "anybody" && admits !== "anybody") {
          const message = `${file}: the file lets anybody in, where users, tokens or certificates were asked for; restart to have it so`;
          throw new ExpositionError("invalid_web_config", message);
        }
        ({ settings, fingerprint, admits } = fresh);
        listener?.(settings);
        logger.info("web configuration reloaded", { file });
      }
      refused = "";
    } catch (thrown) {
      const error = describeError(thrown);
      if (error !== refused) logger.error("the new web configuration cannot be used, the old one stays", { error });
      refused = error;
    }
    if (!disposed) schedule();
  }

  function schedule(): void {
    timer = clock.setTimeout(() => void reload(), reloadIntervalMs, { keepAlive: false });
  }

  schedule();
  return {
    get settings() {
      return settings;
    },
    watch(onChange) {
      listener = onChange;
    },
    [Symbol.dispose]() {
      disposed = true;
      timer?.cancel();
    },
  };
}

/** What a running server cannot change. */
function fixedPart({ tls }: WebSettings): string {
  return JSON.stringify(tls && [tls.clientAuth.request, tls.clientAuth.require, tls.clientAuth.verify]) ?? "";
}

interface Loaded {
  readonly settings: WebSettings;
  /** Whether clients have to say who they are. */
  readonly admits: "anybody" | "those known";
  /** Of everything read. */
  readonly fingerprint: string;
}

async function read(options: WebConfigOptions, clock: Clock): Promise<Loaded>;
async function read(options: WebConfigOptions, clock: Clock, unlike: string): Promise<Loaded | undefined>;
async function read(options: WebConfigOptions, clock: Clock, unlike?: string): Promise<Loaded | undefined> {
  const { file, comparePassword = compareWithBcrypt } = options;
  const contents = createHash("sha256");
  const readText = async (place: string, path: string): Promise<string> => {
    try {
      const text = await readFile(path, "utf8");
      contents.update(JSON.stringify([path, text]));
      return text;
    } catch (thrown) {
      const message = `${file}: ${place}${path} cannot be read (${describeError(thrown)})`;
      throw new ExpositionError("invalid_web_config", message, { cause: thrown });
    }
  };
  const text = await readText("", file);
  let parsed: unknown;
  try {
    parsed = parse(text, { logLevel: "error" });
  } catch (thrown) {
    throw new ExpositionError("invalid_web_config", `${file}: ${yamlProblem(thrown, text)}`);
  }
  const fields = readFields(parsed, "", file);
  const beside = (field: string, path: string): Promise<string> => readText(`${field} `, resolve(dirname(file), path));
  const tls = await readTlsSettings(fields.mapping("tls_server_config"), (field, path) =>
    beside(`tls_server_config.${field}`, path),
  );
  const headers = readHttpSettings(fields.mapping("http_server_config"));
  const users = readUsers(fields.mapping("basic_auth_users"));
  const tokens: Buffer[] = [];
  for (const path of fields.texts("bearer_token_files") ?? []) {
    const token = (await beside("bearer_token_files", path)).trim();
    if (token === "")
      throw fields.error("bearer_token_files", "names an empty file; an empty token would let anybody in");
    tokens.push(digest(token));
  }
  const rate = readRate(fields.mapping("rate_limit"));
  fields.end();
  const fingerprint = contents.digest("base64");
  if (fingerprint === unlike) return undefined;
  const access = createAccess({ users, tokens, rate }, comparePassword, clock);
  const isVerified = tls !== undefined && tls.clientAuth.require && tls.clientAuth.verify;
  const admits = users.size > 0 || tokens.length > 0 || isVerified ? "those known" : "anybody";
  return { fingerprint, admits, settings: { tls, headers, access } };
}

/** What the parser says may quote the line, and the line may hold a secret. */
function yamlProblem(thrown: unknown, text: string): string {
  if (!(thrown instanceof YAMLParseError) || thrown.linePos === undefined) return "the file is no YAML";
  const [{ line, col }] = thrown.linePos;
  const place = `line ${line}, column ${col}`;
  if (thrown.code !== "DUPLICATE_KEY") return `${place}: this is no YAML`;
  const [, name] = /^["']?([\w.-]+)["']?\s*:/.exec(text.slice(thrown.pos[0])) ?? [];
  return `${place}: ${name === undefined ? "a field" : `the field ${name}`} stands here twice`;
}

/** Headers the format allows, and the values of those that have but a few. */
const headerValues: Readonly<Record<string, readonly string[] | undefined>> = {
  "Content-Security-Policy": undefined,
  "X-Frame-Options": ["deny", "sameorigin"],
  "X-Content-Type-Options": ["nosniff"],
  "X-XSS-Protection": undefined,
  "Strict-Transport-Security": undefined,
};

function readHttpSettings(fields: Fields): ReadonlyMap<string, string> {
  fields.boolean("http2");
  const section = fields.mapping("headers");
  fields.end();
  const headers = section.allTexts();
  for (const [name, value] of headers) {
    if (!Object.hasOwn(headerValues, name)) {
      throw section.error(name, `cannot be set; there are ${Object.keys(headerValues).join(", ")}`);
    }
    const allowed = headerValues[name];
    if (allowed !== undefined && value !== "" && !allowed.includes(value.toLowerCase())) {
      throw section.error(name, `has to be ${allowed.join(" or ")}, not ${shown(value)}`);
    }
    if (/[^\t\x20-\x7e]/.test(value)) throw section.error(name, "has a character that no header may have");
  }
  return new Map([...headers].filter(([, value]) => value !== ""));
}

/** A comparison takes twice as long with each; at this one some seconds. */
const maxCost = 16;

function readUsers(fields: Fields): AccessRules["users"] {
  const users = fields.allTexts();
  for (const [user, hash] of users) {
    const [, cost] = /^\$2[aby]?\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash) ?? [];
    if (cost === undefined || Number(cost) < 4) {
      throw fields.error(user, "has no bcrypt hash; make one with: htpasswd -nBC 10 USER");
    }
    if (Number(cost) > maxCost) {
      throw fields.error(
        user,
        `has a hash of the cost ${cost}, which takes too long; make one with: htpasswd -nBC 10 USER`,
      );
    }
    if (user.includes(":")) throw fields.error(user, "is no name of a user: it has a colon");
  }
  return users;
}

function readRate(fields: Fields): AccessRules["rate"] {
  const given = fields.text("interval");
  const interval = given ?? "0";
  const burst = fields.wholeNumber("burst") ?? 0;
  fields.end();
  if (given === undefined && burst > 0) {
    throw fields.error("interval", "is missing; burst says nothing alone. Set it to a time such as 1s");
  }
  const intervalMs = parseDuration(interval);
  if (intervalMs === undefined)
    throw fields.error(
      "interval",
      `has to be a time such as 500ms, 1s or 1m30s, not ${shown(interval)}; 0 turns the limit off`,
    );
  if (intervalMs === 0) return undefined;
  if (burst < 1) throw fields.error("burst", `has to be at least 1, not ${burst}, or nobody gets in`);
  return { intervalMs, burst };
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration as Prometheus writes it. */
function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(\d{1,6}(d|h|ms|m|s))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit = ""] of text.matchAll(/(\d+)(d|h|ms|m|s)/g)) sum += Number(number) * (unitsMs[unit] ?? 0);
  return sum;
}
