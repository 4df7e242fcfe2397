import { ProviderError, type StateFile } from "@almanac/provider";
import { changedVm, keyOfChange, type Change } from "./change.ts";
import { keyOf, vmKey, type LastChange, type MockRecord, type VmRecord } from "./records.ts";

/** One effect that happened. */
export interface Effect {
  readonly change: string;
  readonly method: LastChange["method"];
  readonly vm?: string;
  readonly owner?: string;
}

/** The records of a hypervisor with their indexes, and the changes under way. */
export interface HypervisorState {
  vm(id: string): VmRecord | undefined;
  vmByName(name: string): VmRecord | undefined;
  vms(): Iterable<VmRecord>;
  readonly vmCount: number;
  record<K extends MockRecord["kind"]>(key: string, kind: K): Extract<MockRecord, { kind: K }> | undefined;
  /** The change under way that holds this key. */
  pending(key: string): Change | undefined;
  /** The creation under way of a VM of this name. */
  pendingName(name: string): (Change & { readonly kind: "put"; readonly record: VmRecord }) | undefined;
  /** Makes `change` hold its record until `release`. */
  reserve(change: Change): void;
  release(change: Change): void;
  /**
   * Carries the change out: kept, then told to `onEffect`. Doing it twice has the effect once.
   *
   * @throws ProviderError NOT_FOUND when its VM is gone, RESOURCE_EXHAUSTED when the disk is full.
   */
  apply(change: Change, nowMs: number): void;
  /** Tells `onEffect` the last change of every record for which `isKnown` says no: the process died between keeping and telling. */
  recover(isKnown: (change: string) => boolean): void;
}

/** State on top of a file of records. `onEffect` must not throw. */
export function createHypervisorState(
  file: StateFile<MockRecord>,
  onEffect: (effect: Effect) => void,
): HypervisorState {
  const names = new Map<string, string>();
  const ids = new Set<string>();
  const pendingByKey = new Map<string, Change>();
  const pendingNames = new Map<string, Change & { kind: "put"; record: VmRecord }>();

  for (const record of file.entries.values()) {
    if (record.kind !== "vm" || record.deleted) continue;
    names.set(record.name, record.id);
    ids.add(record.id);
  }

  function vm(id: string): VmRecord | undefined {
    const record = file.entries.get(vmKey(id));
    return record?.kind === "vm" && !record.deleted ? record : undefined;
  }

  function effectOf(record: MockRecord): Effect {
    const { id, method } = record.lastChange;
    if (record.kind !== "vm") return { change: id, method };
    return { change: id, method, vm: record.id, ...(record.owner === undefined ? {} : { owner: record.owner }) };
  }

  function put(record: MockRecord): void {
    file.set(keyOf(record), record);
    if (record.kind === "vm") {
      names.set(record.name, record.id);
      ids.add(record.id);
    }
    onEffect(effectOf(record));
  }

  function remove(record: VmRecord, change: Change): void {
    const marked: VmRecord = { ...record, deleted: true, lastChange: { id: change.id, method: change.method } };
    // Marked first and dropped last: the journal line between them is written exactly once, wherever the process dies.
    file.set(keyOf(record), marked);
    names.delete(record.name);
    ids.delete(record.id);
    onEffect(effectOf(marked));
    file.delete(keyOf(record));
  }

  const state: HypervisorState = {
    vm,
    vmByName(name) {
      const id = names.get(name);
      return id === undefined ? undefined : vm(id);
    },
    *vms() {
      for (const id of ids) {
        const found = vm(id);
        if (found !== undefined) yield found;
      }
    },
    get vmCount() {
      return ids.size + pendingNames.size;
    },
    record(key, kind) {
      const record = file.entries.get(key);
      return record?.kind === kind ? (record as never) : undefined;
    },
    pending: (key) => pendingByKey.get(key),
    pendingName: (name) => pendingNames.get(name),
    reserve(change) {
      pendingByKey.set(keyOfChange(change), change);
      if (change.kind === "put" && change.record.kind === "vm") {
        pendingNames.set(change.record.name, change as Change & { kind: "put"; record: VmRecord });
      }
    },
    release(change) {
      pendingByKey.delete(keyOfChange(change));
      if (change.kind === "put" && change.record.kind === "vm") pendingNames.delete(change.record.name);
    },
    apply(change, nowMs) {
      if (change.kind === "put") {
        if (file.entries.get(keyOf(change.record))?.lastChange.id !== change.id) put(change.record);
        return;
      }
      const current = vm(change.vm);
      if (current?.lastChange.id === change.id) return;
      if (current === undefined) {
        if (change.kind === "delete") return;
        throw new ProviderError("NOT_FOUND", `VM ${change.vm} does not exist`);
      }
      const next = changedVm(current, change, nowMs);
      if (next === undefined) remove(current, change);
      else put(next);
    },
    recover(isKnown) {
      for (const [key, record] of file.entries) {
        if (!isKnown(record.lastChange.id)) onEffect(effectOf(record));
        if (record.kind === "vm" && record.deleted) file.delete(key);
      }
    },
  };
  return state;
}
