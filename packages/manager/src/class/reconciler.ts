import type { ReconcileContext, Request, Result } from "@almanac/controller";
import type { VMClass } from "../api/vm-class.ts";
import { timestamp } from "../conditions.ts";
import type { ManagerContext } from "../context.ts";
import { ignoredClassFields } from "../ignored-fields.ts";
import { readyConditions } from "../operation/frame.ts";
import { createReporter } from "../operation/report.ts";
import { classProblems, classWarnings } from "./validation.ts";

type Status = NonNullable<VMClass["status"]>;

/** Says of each class whether machines can be made of it, on which Providers of its namespace, and how many are. */
export function createClassReconciler(
  manager: ManagerContext,
): (request: Request, context: ReconcileContext<VMClass>) => Promise<Result> {
  const { informers, resources, clock } = manager;
  return createReporter<VMClass>(manager, {
    informer: informers.vmClasses,
    resource: resources.vmClasses,
    report(vmClass) {
      const { metadata } = vmClass;
      const { generation } = metadata;
      const nowMs = clock.now();
      const problems = classProblems(vmClass);
      const refused = problems.length === 0 ? undefined : problems.join("; ");
      const users = informers.virtualMachines.byIndex("class", `${metadata.namespace}/${metadata.name}`);
      const providers = informers.providers
        .list(metadata.namespace)
        .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
      const results: NonNullable<Status["validationResults"]> = {};
      for (const provider of providers) {
        const { name } = provider.metadata;
        const warnings = classWarnings(vmClass, provider);
        const valid = refused === undefined;
        const known = vmClass.status?.validationResults?.[name];
        const isSame =
          known?.valid === valid &&
          known.message === refused &&
          JSON.stringify(known.warnings ?? []) === JSON.stringify(warnings);
        results[name] = isSame
          ? known
          : {
              valid,
              ...(refused === undefined ? {} : { message: refused }),
              ...(warnings.length === 0 ? {} : { warnings }),
              lastValidated: timestamp(nowMs),
            };
      }
      const ready =
        refused === undefined
          ? ({ status: "True", reason: "Valid", message: "machines can be made of it" } as const)
          : ({ status: "False", reason: "InvalidSpec", message: refused } as const);
      const status: Status = {
        ...vmClass.status,
        usedByVMs: users.length,
        observedGeneration: generation,
        supportedProviders: refused === undefined ? providers.map((provider) => provider.metadata.name) : [],
        validationResults: results,
        conditions: readyConditions(vmClass.status?.conditions, ready, ignoredClassFields(vmClass), {
          generation,
          nowMs,
        }),
      };
      return { status, refused };
    },
  });
}
