import type { ProviderType } from "@almanac/catalog";
import { again, done } from "@almanac/controller";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import type { VMImage } from "../api/vm-image.ts";
import type { ManagerContext } from "../context.ts";
import { parseDuration } from "../duration.ts";
import { ManagerError } from "../error.ts";
import { createFramedReconciler, longPauseMs, settle } from "../operation/frame.ts";
import type { Problem, Work } from "../operation/frame.ts";
import { createLane } from "../operation/lane.ts";
import type { FailedAttempt, Lane } from "../operation/lane.ts";
import { NotYet } from "../operation/not-yet.ts";
import { pollDelay } from "../operation/pace.ts";
import { requireStaying, servingPeer } from "../operation/peer.ts";
import { createSession } from "../operation/session.ts";
import { Throttled } from "../provider/pool.ts";
import { machineProvider } from "../virtual-machine/journal.ts";
import { imageJournal } from "./journal.ts";
import type { ImageJournal, Prepared } from "./journal.ts";
import { standingOf } from "./prepared.ts";
import { importOf } from "./source.ts";
import type { Import } from "./source.ts";
import { imageStatus } from "./status.ts";
import type { CopyView } from "./status.ts";

/** Prepares images on the providers whose machines name them. */
export function createImageReconciler(
  manager: ManagerContext,
): (request: Request, context: ReconcileContext<VMImage>) => Promise<Result> {
  return createFramedReconciler(manager, manager.informers.vmImages, (image, context) =>
    imageWork(manager, image, context),
  );
}

function imageWork(manager: ManagerContext, image: VMImage, context: ReconcileContext<VMImage>): Work<VMImage> {
  const { informers, resources, clock, events, instruments } = manager;
  const { metadata, spec } = image;
  const { signal } = context;
  const call = { signal, lend: context.lend, wake: context.wake, ticket: metadata.uid };
  const deleting = metadata.deletionTimestamp !== undefined;
  const session = createSession(manager, resources.vmImages, imageJournal, image, context);
  const copies = new Map<string, CopyView>();
  let failed: FailedAttempt | undefined;
  let later: Error | undefined;
  let nextMs = Number.POSITIVE_INFINITY;

  function keepCopy(key: string, change: NonNullable<ImageJournal["copies"]>[string]): void {
    session.journal = { copies: { ...session.journal.copies, [key]: change } };
  }

  function lane(key: string, wanted: Import, type: ProviderType): Lane<Prepared> {
    const { prepare } = spec;
    const peer = () => servingPeer(manager, key);
    return createLane<Prepared>({
      manager,
      context,
      session,
      kind: "VMImage",
      operation: "PrepareImage",
      what: `the preparation on ${key}`,
      timeoutMs: parseDuration(prepare?.timeout ?? "30m", "spec.prepare.timeout"),
      retries: prepare?.retries ?? 3,
      ready: () => void peer(),
      slot: () => session.journal.copies?.[key]?.import ?? {},
      keep: (slot) => keepCopy(key, { ...session.journal.copies?.[key], import: slot }),
      async send(about) {
        const { task, preparedImageId, preparedImagePath } = await peer().handle.call(
          "prepareImage",
          {
            imageJson: JSON.stringify(wanted.spec),
            targetName: wanted.targetName,
            storageHint: wanted.storageHint,
          },
          call,
        );
        return { task: task?.id, about: { digest: about.digest, id: preparedImageId, path: preparedImagePath } };
      },
      taskStatus: (id) => peer().handle.call("taskStatus", { task: { id } }, call),
      // No request asks for an image; the same preparation again finds what is there.
      tookEffect: () => Promise.resolve(undefined),
      succeeded: (about) => keepCopy(key, { prepared: about }),
      count(outcome) {
        instruments.virtrigaud_vm_image_prepare_total.add(1, { provider_type: type, outcome });
        if (outcome !== "success") return;
        events.record(session.object, { type: "Normal", reason: "Prepared", message: `prepared on Provider ${key}` });
      },
    });
  }

  /** The Providers whose machines are to be made from it, and those it is being prepared on. */
  function wantedBy(): Set<string> {
    const users = informers.virtualMachines.byIndex("image", `${metadata.namespace}/${metadata.name}`);
    const underway = Object.entries(session.journal.copies ?? {}).filter(
      ([, copy]) => copy.import?.attempt !== undefined,
    );
    return new Set([
      ...users.filter((vm) => vm.metadata.deletionTimestamp === undefined).map((vm) => machineProvider(vm)),
      ...underway.map(([key]) => key),
    ]);
  }

  async function run(): Promise<Result> {
    if (deleting) {
      if (metadata.finalizers?.includes(imageJournal.finalizer) !== true) return done();
    } else if (spec.prepare === undefined) {
      const isKept = session.journal.copies !== undefined;
      if (!isKept) return settle(work, undefined, done());
    }
    for (const key of [...wantedBy()].sort()) {
      try {
        await prepareOn(key);
      } catch (thrown) {
        signal.throwIfAborted();
        // One provider's trouble is not another's.
        if (thrown instanceof Throttled) {
          copies.set(key, { state: "importing" });
          nextMs = Math.min(nextMs, thrown.afterMs);
        } else if (thrown instanceof NotYet) copies.set(key, { state: "waiting", message: thrown.message });
        else if (thrown instanceof ManagerError) {
          copies.set(key, { state: "failed", message: thrown.message });
          // Nobody can be asked any more, and nothing of ours is left there.
          if (deleting && thrown.code === "dependency_not_found") keepCopy(key, {});
        } else if (thrown instanceof Error) later ??= thrown;
        else throw thrown;
      }
    }
    if (later !== undefined) throw later;
    return settle(work, failed, nextMs === Number.POSITIVE_INFINITY ? done() : again(nextMs));
  }

  async function prepareOn(key: string): Promise<void> {
    const { provider, type } = servingPeer(manager, key, deleting);
    const copy = session.journal.copies?.[key];
    const wanted = importOf(image, type);
    const isUnderway = copy?.import?.attempt !== undefined;
    if (typeof wanted === "string") {
      if (wanted === "none") {
        throw new ManagerError("invalid_spec", `there is no source for a provider of type ${type}`);
      }
      copies.set(key, { state: "available", message: "declared to be there" });
      // Its result is of no use any more.
      if (isUnderway) keepCopy(key, {});
      return;
    }
    if (!isUnderway && !deleting) {
      const standing = standingOf(session.object, provider, type);
      if (standing.state === "as-is") {
        copies.set(key, { state: "as-is", message: "fetched by the provider when a machine is made" });
        return;
      }
      if (standing.state === "prepared") {
        copies.set(key, { state: "available", prepared: standing.prepared });
        return;
      }
      const { onMissing = "Import" } = spec.prepare ?? {};
      if (onMissing !== "Import") {
        const message = `it is not there, and spec.prepare.onMissing is ${onMissing}`;
        copies.set(key, { state: onMissing === "Fail" ? "failed" : "waiting", message });
        return;
      }
    }
    if (deleting && !isUnderway) return;
    if (!isUnderway) requireStaying(provider);
    await importOn(key, { wanted, type, isUnderway });
  }

  async function importOn(
    key: string,
    {
      wanted,
      type,
      isUnderway,
    }: { readonly wanted: Import; readonly type: ProviderType; readonly isUnderway: boolean },
  ): Promise<void> {
    const followed = lane(key, wanted, type);
    const { retryInMs } = followed;
    if (!isUnderway && retryInMs !== 0) {
      const last = image.status?.providerStatus?.[statusKey(key)]?.message ?? "it could not be prepared";
      copies.set(key, { state: "failed", message: last });
      if (retryInMs !== undefined) nextMs = Math.min(nextMs, retryInMs);
      return;
    }
    const begin = { digest: wanted.digest, id: "", path: "" };
    const progress = isUnderway ? await followed.advance() : await followed.begin(begin);
    const { attempt } = session.journal.copies?.[key]?.import ?? {};
    if (progress === "running") {
      copies.set(key, { state: "importing" });
      nextMs = Math.min(nextMs, pollDelay(clock.now() - (attempt?.startedAtMs ?? clock.now())));
    } else if (progress === "failed") {
      failed = followed.failed;
      copies.set(key, { state: "failed", message: failed?.error.message ?? "" });
      nextMs = Math.min(nextMs, followed.retryInMs ?? longPauseMs);
    } else {
      // The source may have changed while the old one was prepared.
      const prepared = session.journal.copies?.[key]?.prepared;
      const isCurrent = prepared?.digest === wanted.digest;
      copies.set(key, isCurrent ? { state: "available", prepared } : { state: "importing" });
      if (!isCurrent) nextMs = 0;
    }
  }

  function statusKey(key: string): string {
    const [namespace, name = ""] = key.split("/");
    return namespace === metadata.namespace ? name : key;
  }

  async function writeStatus(problem: Problem | undefined): Promise<void> {
    const { object } = session;
    await session.writeStatus(
      imageStatus({
        image: object,
        copies: new Map([...copies].map(([key, copy]) => [statusKey(key), copy])),
        source: firstImport(),
        problem,
        nowMs: clock.now(),
      }),
    );
  }

  function firstImport(): Import | undefined {
    for (const type of ["libvirt", "vsphere"] as const) {
      const wanted = importOf(image, type);
      if (typeof wanted !== "string") return wanted;
    }
    return undefined;
  }

  const work: Work<VMImage> = {
    get object() {
      return session.object;
    },
    run,
    commit: () => session.commit(),
    writeStatus,
  };
  return work;
}
