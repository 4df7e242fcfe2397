import { describe, expect, it } from "vitest";
import { combineFamilies, defineCatalog, familiesOf } from "./catalog.ts";
import type { LabelsOf } from "./catalog.ts";
import { CatalogError } from "./error.ts";
import type { FamilySpec } from "./family.ts";
import { anyValue, oneOf, optionalValue } from "./label.ts";
import { liqo } from "./liqo.ts";
import { stack } from "./stack.ts";
import { virtrigaud } from "./virtrigaud.ts";

const backups = {
  backup_runs_total: {
    type: "counter",
    labels: { outcome: oneOf("success", "failure"), volume: anyValue("name of the volume") },
    owners: ["backup-operator"],
    help: "Backup runs that ended.",
    movesWhen: "a run ended",
  },
} as const satisfies Record<string, FamilySpec>;

function errorOf(action: () => unknown): CatalogError {
  try {
    action();
  } catch (error) {
    if (error instanceof CatalogError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("defineCatalog", () => {
  it("resolves defaults and keeps label keys in declared order", () => {
    const catalog = defineCatalog("backups", backups);
    expect(catalog.families.backup_runs_total).toMatchObject({
      name: "backup_runs_total",
      catalog: "backups",
      instrument: "counter",
      observed: false,
      labelKeys: ["outcome", "volume"],
      buckets: undefined,
      unit: undefined,
      cardinalityLimit: 2000,
    });
  });

  it("freezes what it returns, and later changes of the definition do not reach it", () => {
    const buckets = [1, 2];
    const catalog = defineCatalog("backups", {
      backup_seconds: {
        type: "histogram",
        labels: {},
        buckets,
        owners: ["process"],
        help: "Time.",
        movesWhen: "a run ended",
      },
    });
    buckets.push(0);
    expect(catalog.families.backup_seconds.buckets).toEqual([1, 2]);
    expect(Object.isFrozen(catalog.families)).toBe(true);
    expect(Object.isFrozen(catalog.families.backup_seconds.buckets)).toBe(true);
  });

  it("extends other catalogs, whose families stay theirs", () => {
    const catalog = defineCatalog("backups", backups, { extends: [virtrigaud, liqo] });
    expect(Object.keys(catalog.families)).toHaveLength(
      1 + Object.keys(virtrigaud.families).length + Object.keys(liqo.families).length,
    );
    expect(catalog.families.virtrigaud_queue_depth).toBe(virtrigaud.families.virtrigaud_queue_depth);
    expect(catalog.families.liqo_peer_latency_us.catalog).toBe("liqo");
  });

  it("refuses a name an extended catalog has, naming both", () => {
    const error = errorOf(() =>
      defineCatalog("mine", { virtrigaud_queue_depth: { ...backups.backup_runs_total } }, { extends: [virtrigaud] }),
    );
    expect(error.code).toBe("family_clash");
    expect(error.message).toContain("virtrigaud_queue_depth");
    expect(error.message).toContain('"mine"');
    expect(error.message).toContain('"virtrigaud"');
  });

  it("lists every error of the lint in one exception", () => {
    const error = errorOf(() => defineCatalog("Mine", { Bad: { ...backups.backup_runs_total, help: "", owners: [] } }));
    expect(error.code).toBe("invalid_catalog");
    for (const rule of ["catalog-name", "name-syntax", "total-suffix", "help", "owners"]) {
      expect(error.message).toContain(`(${rule})`);
    }
  });
});

describe("combineFamilies", () => {
  it("takes a family once that arrives by two ways", () => {
    const extended = defineCatalog("backups", backups, { extends: [virtrigaud] });
    expect(combineFamilies([virtrigaud, extended, virtrigaud]).size).toBe(1 + Object.keys(virtrigaud.families).length);
  });

  it("refuses two families of one name", () => {
    const error = errorOf(() => combineFamilies([defineCatalog("one", backups), defineCatalog("two", backups)]));
    expect(error).toMatchObject({ code: "family_clash" });
    expect(error.message).toContain("backup_runs_total");
  });
});

describe("familiesOf", () => {
  const names = (owner: string): string[] => familiesOf([virtrigaud, liqo, stack], owner).map((family) => family.name);

  it("gives a component its own families, the shared ones and those of every process", () => {
    expect(names("manager")).toContain("virtrigaud_queue_depth");
    expect(names("manager")).toContain("virtrigaud_build_info");
    expect(names("provider")).toContain("virtrigaud_build_info");
    expect(names("provider")).not.toContain("virtrigaud_queue_depth");
    expect(names("provider")).toContain("process_cpu_seconds_total");
  });

  it("gives an unknown component those of every process", () => {
    expect(names("backup-operator")).toEqual(Object.keys(stack.families));
  });
});

describe("LabelsOf", () => {
  type Operation = LabelsOf<typeof virtrigaud, "virtrigaud_vm_operations_total">;
  type Call = LabelsOf<typeof stack, "rpc_client_call_duration_seconds">;
  const accept = <T>(labels: T): T => labels;

  it("compiles for the labels of the catalog and for nothing else", () => {
    const right = accept<Operation>({
      operation: "Create",
      provider_type: "libvirt",
      provider: "lab",
      outcome: "success",
    });
    accept<Operation>({ ...right, outcome: "other" });
    // @ts-expect-error a misspelt operation
    accept<Operation>({ operation: "Craete", provider_type: "libvirt", provider: "lab", outcome: "success" });
    // @ts-expect-error a misspelt key
    accept<Operation>({ operation: "Create", providerType: "libvirt", provider: "lab", outcome: "success" });
    // @ts-expect-error a key too few
    accept<Operation>({ operation: "Create", provider_type: "libvirt", provider: "lab" });
    // @ts-expect-error a key too many
    accept<Operation>({ operation: "Create", provider_type: "libvirt", provider: "lab", outcome: "success", vm: "a" });
    // @ts-expect-error the wrong type of value
    accept<Operation>({ operation: "Create", provider_type: "libvirt", provider: 5, outcome: "success" });
    expect(Object.keys(right)).toEqual(virtrigaud.families.virtrigaud_vm_operations_total.labelKeys);
  });

  it("keeps the closed sets of two families apart that share a key", () => {
    type Api = LabelsOf<typeof virtrigaud, "virtrigaud_vsphere_api_calls_total">;
    type Rpc = LabelsOf<typeof virtrigaud, "virtrigaud_provider_rpc_latency_seconds">;
    type Domains = LabelsOf<typeof virtrigaud, "virtrigaud_libvirt_domains_total">;
    const api = accept<Api>({ method: "CloneVM_Task", datacenter: "DC0" });
    accept<Rpc>({ provider_type: "mock", method: "CloneVM" });
    // @ts-expect-error a vSphere method is no RPC method
    accept<Rpc>({ provider_type: "mock", method: "CloneVM_Task" });
    // @ts-expect-error a domain state is no outcome
    accept<Domains>({ host: "h", state: "success" });
    expect(api.method).toBe("CloneVM_Task");
  });

  it("lets an optional label be left out and no other", () => {
    const call = accept<Call>({ rpc_method: "S/M", rpc_system_name: "grpc", rpc_status_code: "OK" });
    accept<Call>({ ...call, error_type: "UNAVAILABLE", rpc_status_code: "UNAVAILABLE" });
    // @ts-expect-error the status code is not optional
    accept<Call>({ rpc_method: "S/M", rpc_system_name: "grpc" });
    expect(stack.families.rpc_client_call_duration_seconds.labels.error_type).toEqual(
      optionalValue(stack.families.rpc_client_call_duration_seconds.labels.error_type.description, "UNAVAILABLE"),
    );
  });

  it("types a catalog that extends another, with its own families and the inherited ones", () => {
    const catalog = defineCatalog("backups", backups, { extends: [virtrigaud] });
    const own = accept<LabelsOf<typeof catalog, "backup_runs_total">>({ outcome: "success", volume: "data" });
    accept<LabelsOf<typeof catalog, "virtrigaud_queue_depth">>({ kind: "Provider" });
    // @ts-expect-error not a family of either
    type Foreign = LabelsOf<typeof catalog, "liqo_peer_latency_us">;
    const foreign: Foreign | undefined = undefined;
    expect([own.volume, foreign, Object.keys(catalog.families)[0]]).toEqual([
      "data",
      undefined,
      "virtrigaud_manager_reconcile_total",
    ]);
  });

  it("does not compile definitions that cannot be", () => {
    const base = { labels: {}, owners: ["process"], help: "Help.", movesWhen: "never" } as const;
    // @ts-expect-error a histogram without buckets
    expect(() => defineCatalog("a", { a_seconds: { ...base, type: "histogram" } })).toThrow("without buckets");
    // @ts-expect-error a counter cannot be an up-down counter
    defineCatalog("a", { a_total: { ...base, type: "counter", instrument: "upDownCounter" } });
    // @ts-expect-error an empty closed set
    expect(() => defineCatalog("a", { a: { ...base, type: "gauge", labels: { x: oneOf() } } })).toThrow("empty set");
  });
});
