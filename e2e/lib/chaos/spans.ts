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

/** Receives spans (OTLP, JSON over HTTP) and keeps the reconciles. */
export interface SpanSink extends AsyncDisposable {
  readonly url: string;
  readonly reconciles: readonly Reconcile[];
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
        readonly attributes: readonly Attribute[];
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
      }[];
    }[];
  }[];
}

/** Resource attribute that names the life of a process. */
export const lifeAttribute = "almanac.life";

export async function startSpanSink(): Promise<SpanSink> {
  const reconciles: Reconcile[] = [];
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
        if (!span.name.startsWith("reconcile ")) continue;
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
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function valueOf(attributes: readonly Attribute[], key: string): string {
  return attributes.find((attribute) => attribute.key === key)?.value.stringValue ?? "";
}

/** Pairs of reconciles of one object that two processes worked on at the same time. Pure. */
export function overlaps(reconciles: readonly Reconcile[]): string[] {
  const found: string[] = [];
  for (const [object, own] of Map.groupBy(reconciles, (reconcile) => reconcile.object)) {
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
