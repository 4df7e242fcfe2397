import { createHash } from "node:crypto";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { referenceKey } from "../resources.ts";
import { adoptAnnotation } from "./journal.ts";
import type { Creation } from "./journal.ts";

/** What counts when a machine is made and never again. Documents in Secrets count by the Secret's name. */
function creationFields({ metadata, spec }: VirtualMachine): Readonly<Record<string, unknown>> {
  return {
    tags: spec.tags === undefined || spec.tags.length === 0 ? undefined : spec.tags.toSorted(),
    placement: spec.placement,
    userData: spec.userData,
    metaData: spec.metaData,
    imageRef: spec.imageRef === undefined ? undefined : referenceKey(spec.imageRef, metadata.namespace),
  };
}

/** Digests of what a machine is made with; undefined for one that may have been made by somebody else before. */
export function creationOf(vm: VirtualMachine): Creation | undefined {
  if (vm.metadata.annotations?.[adoptAnnotation] === "true") return undefined;
  const fields = Object.entries(creationFields(vm)).filter(([, value]) => value !== undefined);
  return Object.fromEntries(fields.map(([name, value]) => [name, digestOf(value)]));
}

/** Fields that say something else than the machine was made with, each as a person would look for it. */
export function changedSinceCreation(vm: VirtualMachine, creation: Creation | undefined): string[] {
  if (creation === undefined) return [];
  return Object.entries(creationFields(vm))
    .filter(([name, value]) => (value === undefined ? undefined : digestOf(value)) !== creation[name])
    .map(([name]) => `spec.${name} (not acted on after creation)`);
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value, inOrder)).digest("base64url").slice(0, 8);
}

// The order of an object's keys is the server's business.
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
