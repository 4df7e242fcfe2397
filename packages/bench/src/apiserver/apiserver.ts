import { fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startKubernetes } from "../../../../e2e/peers/start-kubernetes.ts";
import type { BenchResult, Progress } from "../result.ts";
import type { Load, Subject } from "./load.ts";
import { createLoad } from "./load.ts";

const setUpPeers = fileURLToPath(new URL("../../../../e2e/peers/setup.ts", import.meta.url));
const rounds = 5;
const listed = 10_000;
const watchers = 100;
const updates = 1_000;

interface Times {
  readonly creates: number[];
  readonly lists: number[];
  readonly watches: number[];
}

/** The embedded API against a kube-apiserver with etcd, both over TLS in processes of their own, alternating. */
export async function benchApiServer(progress: Progress): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), "almanac-bench-apiserver-"));
  try {
    progress("building etcd and kube-apiserver where they are missing");
    const setup = spawnSync(process.execPath, [setUpPeers, "--only", "etcd,kube-apiserver"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (setup.status !== 0) throw new Error(`the set-up of the real peers ended with ${setup.status}`);
    progress("starting etcd and kube-apiserver");
    await using real = await startKubernetes({ folder });
    await using embedded = await startEmbedded(folder, real.ca);
    const subjects = [embedded, real].map((subject) => ({
      load: createLoad(subject),
      times: noTimes(),
    }));
    for (const { load } of subjects) await load.createNamespace("bench");
    for (let round = 0; round < rounds; round++) {
      for (const { load, times } of turn(subjects, round)) {
        progress(`round ${round + 1} of ${rounds}, creates`);
        times.creates.push(await load.create("bench", `r${round}`, listed / rounds));
      }
    }
    for (let round = 0; round < rounds; round++) {
      progress(`round ${round + 1} of ${rounds}, lists`);
      for (const { load, times } of turn(subjects, round)) times.lists.push(await list(load));
    }
    for (let round = 0; round < rounds; round++) {
      for (const { load, times } of turn(subjects, round)) {
        progress(`round ${round + 1} of ${rounds}, watches`);
        await load.createNamespace(`watch-${round}`);
        times.watches.push(await load.watch(`watch-${round}`, watchers, updates));
      }
    }
    for (const { load } of subjects) load[Symbol.dispose]();
    const [ours = noTimes(), theirs = noTimes()] = subjects.map(({ times }) => times);
    return result(ours, theirs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function noTimes(): Times {
  return { creates: [], lists: [], watches: [] };
}

async function list(load: Load): Promise<number> {
  const { seconds, objects } = await load.list("bench");
  if (objects !== listed) throw new Error(`a list has ${objects} objects, expected ${listed}`);
  return seconds;
}

/** Who goes first changes with every round. */
function turn<T>(subjects: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? subjects : subjects.toReversed();
}

async function startEmbedded(folder: string, ca: string): Promise<Subject & AsyncDisposable> {
  const child = fork(fileURLToPath(new URL("./child.ts", import.meta.url)), [folder], { execArgv: ["-C", "source"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const { url, token } = await new Promise<{ url: string; token: string }>((resolve, reject) => {
    child.once("message", (message) => resolve(message as { url: string; token: string }));
    child.once("exit", (code) => reject(new Error(`the embedded API ended with ${code}`)));
  });
  return {
    url,
    token,
    ca,
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await exited;
    },
  };
}

function result(ours: Times, theirs: Times): BenchResult {
  const ratio = (key: keyof Times): number[] =>
    theirs[key].map((seconds, round) => seconds / (ours[key][round] ?? Number.NaN));
  const perSecond = (seconds: readonly number[], count: number): number[] => seconds.map((one) => count / one);
  const created = listed / rounds;
  const sent = watchers * updates;
  return {
    name: "apiserver",
    title: "The embedded API against kube-apiserver",
    rows: [
      { what: "list of 10,000 objects, real against embedded, ×", rounds: ratio("lists"), must: { atLeast: 1 } },
      {
        what: "100 watches of 1,000 updates, real against embedded, ×",
        rounds: ratio("watches"),
        must: { atLeast: 1 },
      },
      { what: "creates, real against embedded, ×", rounds: ratio("creates"), must: { atLeast: 1 } },
      { what: "embedded, ms per list", rounds: ours.lists.map((seconds) => seconds * 1000) },
      { what: "real, ms per list", rounds: theirs.lists.map((seconds) => seconds * 1000) },
      { what: "embedded, watch lines/s", rounds: perSecond(ours.watches, sent) },
      { what: "real, watch lines/s", rounds: perSecond(theirs.watches, sent) },
      { what: "embedded, creates/s", rounds: perSecond(ours.creates, created) },
      { what: "real, creates/s", rounds: perSecond(theirs.creates, created) },
    ],
    notes: [
      "kube-apiserver 1.36.3 with etcd 3.7.3 on the same machine, etcd without fsync, 16 connections, ConfigMaps of 600 bytes, TLS on both sides; the embedded API keeps everything in memory. The client of both is one Node process, whose own time is in every number.",
    ],
  };
}
