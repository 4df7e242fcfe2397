import type { KubeObject } from "@almanac/kube";

/** One change as etcd keeps it. */
export interface EtcdChange {
  /** Key below the watched folder. */
  readonly key: string;
  /** Undefined when it was deleted. */
  readonly object: KubeObject | undefined;
}

interface Answer {
  readonly result?: {
    readonly canceled?: boolean;
    readonly events?: readonly {
      readonly type?: "DELETE";
      readonly kv: { readonly key: string; readonly value?: string };
    }[];
  };
}

/**
 * Every change of the objects of a group since the first, in order: an API server that is killed forgets what its watchers have not heard
 * yet, its etcd does not. Rejects when `signal` aborts or etcd ends.
 */
export async function* watchEtcd(url: string, group: string, signal: AbortSignal): AsyncGenerator<EtcdChange> {
  const folder = `/registry/${group}/`;
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  // From the folder's first key to the last: `0` comes after `/`.
  const range = { key: base64(folder), range_end: base64(`/registry/${group}0`) };
  const body = JSON.stringify({ create_request: { ...range, start_revision: "1" } });
  const response = await fetch(`${url}/v3/watch`, { method: "POST", body, signal });
  if (!response.ok || response.body === null) throw new Error(`etcd refuses to be watched: ${response.status}`);
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { result } = JSON.parse(line) as Answer;
      if (result?.canceled === true) throw new Error(`etcd ended the watch: ${line}`);
      for (const { type, kv } of result?.events ?? []) {
        const text = Buffer.from(kv.value ?? "", "base64").toString("utf8");
        const key = Buffer.from(kv.key, "base64").toString("utf8").slice(folder.length);
        yield { key, object: type === "DELETE" ? undefined : (JSON.parse(text) as KubeObject) };
      }
    }
  }
}
