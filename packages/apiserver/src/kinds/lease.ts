import type { FieldError } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, textAt } from "../object.ts";
import { invalidValue } from "../schema/index.ts";
import { ageColumn, column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { integer, object, string } from "./schema-dsl.ts";

export const leaseKind: Kind = defineBuiltin({
  group: "coordination.k8s.io",
  kind: "Lease",
  plural: "leases",
  unconditionalUpdate: false,
  createOnUpdate: true,
  properties: {
    spec: object("Who holds the lease and until when.", {
      holderIdentity: string("The current holder."),
      leaseDurationSeconds: integer("How long others wait after renewTime before they take the lease."),
      acquireTime: string("When the current holder took the lease.", { format: "date-time" }),
      renewTime: string("When the holder last renewed the lease.", { format: "date-time" }),
      leaseTransitions: integer("How often the holder has changed."),
      strategy: string("How the leader is picked in coordinated election."),
      preferredHolder: string("Who should take the lease over."),
    }),
  },
  columns: [nameColumn, column("Holder", "string", (lease) => textAt(lease, "spec", "holderIdentity")), ageColumn],
  assign: (next) => ({ ...next, spec: next.spec ?? {} }),
  validate(next) {
    const errors: FieldError[] = [];
    const duration = at(next, "spec", "leaseDurationSeconds");
    const transitions = at(next, "spec", "leaseTransitions");
    if (typeof duration === "number" && duration <= 0)
      errors.push(invalidValue("spec.leaseDurationSeconds", duration, "must be greater than 0"));
    if (typeof transitions === "number" && transitions < 0) {
      errors.push(invalidValue("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
    }
    return errors;
  },
});
