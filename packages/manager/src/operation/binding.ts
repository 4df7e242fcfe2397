import type { Condition } from "../api/schema.ts";
import { findCondition, withCondition } from "../conditions.ts";
import type { Informers } from "../context.ts";
import { ownerOfMachine } from "../virtual-machine/references.ts";

/** The machine at a provider that the operations of an object are about. */
interface Binding {
  /** Its id. */
  readonly machine: string;
  /** `namespace/name` of the Provider. */
  readonly provider: string;
}

/** Condition that says which machine it is: what is kept in annotations is measured by it. */
const conditionType = "MachineBound";

function messageOf({ machine, provider }: Binding): string {
  return `machine ${machine} on Provider ${provider}`;
}

/** Conditions that say which machine an object is about; as they are while it is about none. */
export function withBinding(
  conditions: Condition[],
  { machine, provider }: Partial<Binding>,
  context: { readonly generation: number; readonly nowMs: number },
): Condition[] {
  if (machine === undefined || provider === undefined) return conditions;
  const message = messageOf({ machine, provider });
  return withCondition(conditions, { type: conditionType, status: "True", reason: "Recorded", message }, context);
}

/**
 * Whether an object may ask for what its annotations say of a machine: its status says so too, or it is that of the VirtualMachine that the
 * object names in its own namespace. One of another namespace it never is.
 */
export function isBorneOut(
  binding: Binding,
  object: {
    readonly namespace: string;
    /** Name of its VirtualMachine. */
    readonly of: string | undefined;
    readonly conditions: readonly Condition[] | undefined;
  },
  informers: Pick<Informers, "virtualMachines">,
): boolean {
  const owner = ownerOfMachine(informers, { providerKey: binding.provider, id: binding.machine });
  if (owner !== undefined && owner.metadata.namespace !== object.namespace) return false;
  if (findCondition(object.conditions, conditionType)?.message === messageOf(binding)) return true;
  return owner !== undefined && owner.metadata.name === object.of;
}

/** The status says that the object is about another machine. */
export function isBoundOtherwise(binding: Binding, conditions: readonly Condition[] | undefined): boolean {
  const said = findCondition(conditions, conditionType);
  return said !== undefined && said.message !== messageOf(binding);
}
