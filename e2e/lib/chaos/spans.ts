import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** One reconcile as its process told of it. */
export interface Reconcile {
  /** `Kind namespace/name`. */
  readonly object: string;
  /** The life of the process that it ran in. */
  readonly life: string;
  /** Nanoseconds since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
}

/** A request that changes something, as the process that sent it told of it. */
export interface Act {
  readonly name: string;
  readonly life: string;
  /** When it was sent, nanoseconds since the epoch. */
  readonly start: bigint;
}

/** A time in which a process was stopped, milliseconds since the epoch. */
export interface Pause {
  readonly life: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Receives spans (OTLP, JSON over HTTP) and keeps the reconciles and the acts. */
export interface SpanSink extends AsyncDisposable {
  readonly url: string;
  readonly reconciles: readonly Reconcile[];
  readonly acts: readonly Act[];
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}
interface Payload {
  readonly resourceSpans?: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly kind: number;
        readonly attributes: readonly Attribute[];
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
      }[];
    }[];
  }[];
}

/** Resource attribute that names the life of a process. */
export const lifeAttribute = "almanac.life";

const clientKind = 3;
/** Writes of the followed objects, and RPCs that change a hypervisor. */
const changing = /^(PATCH|POST|PUT|DELETE) .*\/infra\.virtrigaud\.io\/|(VM|Snapshot|PrepareImage)$/;
const harmless = /(DescribeVM|DescribeVMs|ListVMs)$/;

export async function startSpanSink(): Promise<SpanSink> {
  const reconciles: Reconcile[] = [];
  const acts: Act[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
      keep(JSON.parse(text.toString("utf8")) as Payload);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });

  function keep({ resourceSpans = [] }: Payload): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const life = valueOf(resource.attributes, lifeAttribute);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        const { name, kind } = span;
        if (kind === clientKind && changing.test(name) && !harmless.test(name))
          acts.push({ name, life, start: BigInt(span.startTimeUnixNano) });
        if (!name.startsWith("reconcile ")) continue;
        const at = (key: string): string => valueOf(span.attributes, key);
        reconciles.push({
          object: `${at("k8s.object.kind")} ${at("k8s.namespace.name")}/${at("k8s.object.name")}`,
          life,
          start: BigInt(span.startTimeUnixNano),
          end: BigInt(span.endTimeUnixNano),
        });
      }
    }
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    reconciles,
    acts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function valueOf(attributes: readonly Attribute[], key: string): string {
  return attributes.find((attribute) => attribute.key === key)?.value.stringValue ?? "";
}

/**
 * Pairs of reconciles of one object that two processes worked on at the same time. One in whose midst its process was stopped counts until
 * then: what it does afterwards is for `actsOfDeposed` to find. Pure.
 */
export function overlaps(reconciles: readonly Reconcile[], pauses: readonly Pause[]): string[] {
  const found: string[] = [];
  const worked = reconciles.map((reconcile) => {
    const pause = pauses.find(
      ({ life, fromMs }) => life === reconcile.life && reconcile.start < nanos(fromMs) && reconcile.end > nanos(fromMs),
    );
    return pause === undefined ? reconcile : { ...reconcile, end: nanos(pause.fromMs) };
  });
  for (const [object, own] of Map.groupBy(worked, (reconcile) => reconcile.object)) {
    const sorted = own.toSorted((a, b) => (a.start < b.start ? -1 : 1));
    let last: Reconcile | undefined;
    for (const next of sorted) {
      if (last !== undefined && next.life !== last.life && next.start < last.end)
        found.push(`${object}: ${last.life} until ${last.end}, ${next.life} from ${next.start}`);
      if (last === undefined || next.end > last.end) last = next;
    }
  }
  return found;
}

/** Requests that a process sent after it was stopped and before it held a Lease again, `regainedAtMs` after each pause. Pure. */
export function actsOfDeposed(acts: readonly Act[], pauses: readonly (Pause & { regainedAtMs: number })[]): string[] {
  return pauses.flatMap(({ life, toMs, regainedAtMs }) =>
    acts
      .filter((act) => act.life === life && act.start >= nanos(toMs) && act.start < nanos(regainedAtMs))
      .map(({ name, start }) => `${life} sent ${name} ${(start - nanos(toMs)) / 1_000n} µs after it was let go on`),
  );
}

function nanos(ms: number): bigint {
  return BigInt(Math.round(ms)) * 1_000_000n;
}
