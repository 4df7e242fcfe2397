import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, isObject, listAt, sameJson, show, textAt } from "../object.ts";
import { duplicate, forbiddenField, invalidStruct, invalidValue, required } from "../schema/index.ts";
import { ageColumn, column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { nameProblems } from "./names.ts";
import { boolean, integer, intOrString, list, object, open, string, stringMap } from "./schema-dsl.ts";

const labelSelector = object("Labels of the pods.", {
  matchLabels: stringMap("Labels that must all match."),
  matchExpressions: list(
    "Expressions that must all hold.",
    object("One expression.", {
      key: string("Label."),
      operator: string("In, NotIn, Exists or DoesNotExist."),
      values: list("Values.", { type: "string" }),
    }),
  ),
});

function numberAt(object: JsonObject, ...path: readonly string[]): number {
  const value = at(object, ...path);
  return typeof value === "number" ? value : 0;
}

function containers(deployment: JsonObject, field: string): string {
  return listAt(deployment, "spec", "template", "spec", "containers")
    .map((container) => textAt(container, field))
    .join(",");
}

function labelsOf(labels: Json | undefined): string {
  if (!isObject(labels)) return "<none>";
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${show(value)}`)
    .sort()
    .join(",");
}

function container(value: Json): Json {
  if (!isObject(value)) return value;
  const image = textAt(value, "image");
  const latest = !image.includes("@") && (/:latest$/.test(image) || !/:[^/]+$/.test(image));
  const ports = Array.isArray(value.ports)
    ? { ports: value.ports.map((port) => (isObject(port) ? { protocol: "TCP", ...port } : port)) }
    : {};
  return {
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: latest ? "Always" : "IfNotPresent",
    ...value,
    ...ports,
  };
}

const operators = ["In", "NotIn", "Exists", "DoesNotExist"];

function validateSelector(selector: JsonObject): FieldError[] {
  const expressions = listAt(selector, "matchExpressions");
  const labels = at(selector, "matchLabels");
  if (expressions.length === 0 && (!isObject(labels) || Object.keys(labels).length === 0))
    return [invalidStruct("spec.selector", {}, "empty selector is invalid for deployment")];
  const errors = expressions.flatMap((expression, index) => {
    const operator = textAt(expression, "operator");
    if (operators.includes(operator)) return [];
    const path = `spec.selector.matchExpressions[${index}].operator`;
    return [invalidValue(path, operator, "not a valid selector operator")];
  });
  return errors.length === 0 ? [] : [...errors, invalidStruct("spec.selector", selector, "invalid label selector")];
}

function validateStrategy(strategy: Json | undefined): FieldError[] {
  const type = textAt(strategy, "type");
  if (type === "Recreate") {
    if (at(strategy, "rollingUpdate") === undefined) return [];
    const why = "may not be specified when strategy `type` is 'Recreate'";
    return [forbiddenField("spec.strategy.rollingUpdate", why)];
  }
  if (type === "RollingUpdate") return [];
  const shown = { Type: type, RollingUpdate: null };
  const supported = ["Recreate", "RollingUpdate"].map((one) => `"${one}"`).join(", ");
  const message = `Unsupported value: ${JSON.stringify(shown)}: supported values: ${supported}`;
  return [{ type: "FieldValueNotSupported", field: "spec.strategy", message }];
}

export const deploymentKind: Kind = defineBuiltin({
  group: "apps",
  kind: "Deployment",
  plural: "deployments",
  shortNames: ["deploy"],
  categories: ["all"],
  hasStatus: true,
  scale: true,
  generation: (next, previous) => !sameJson(next.spec, previous.spec),
  properties: {
    spec: object("The deployment as wanted.", {
      replicas: integer("Number of pods."),
      selector: labelSelector,
      template: object("The pods.", {
        metadata: open("Metadata of the pods."),
        spec: open("The pods' specification, kept as it comes."),
      }),
      strategy: object("How pods are replaced.", {
        type: string("Recreate or RollingUpdate."),
        rollingUpdate: object("Limits of a rolling update.", {
          maxUnavailable: intOrString("Pods that may be missing."),
          maxSurge: intOrString("Pods that may be too many."),
        }),
      }),
      minReadySeconds: integer("How long a pod must be ready to count."),
      revisionHistoryLimit: integer("Old revisions kept."),
      paused: boolean("Whether changes wait."),
      progressDeadlineSeconds: integer("When a stuck rollout counts as failed."),
    }),
    status: object("The deployment as it is.", {
      observedGeneration: integer("The generation that the status is about.", { format: "int64" }),
      replicas: integer("Pods."),
      updatedReplicas: integer("Pods of the newest template."),
      readyReplicas: integer("Pods that are ready."),
      availableReplicas: integer("Pods that have been ready long enough."),
      unavailableReplicas: integer("Pods still missing."),
      terminatingReplicas: integer("Pods on their way out."),
      collisionCount: integer("Hash collisions."),
      conditions: list("Conditions.", open("One condition."), ["type"]),
    }),
  },
  columns: [
    nameColumn,
    column("Ready", "string", (it) => `${numberAt(it, "status", "readyReplicas")}/${numberAt(it, "spec", "replicas")}`),
    column("Up-to-date", "string", (it) => numberAt(it, "status", "updatedReplicas")),
    column("Available", "string", (it) => numberAt(it, "status", "availableReplicas")),
    ageColumn,
    column("Containers", "string", (it) => containers(it, "name"), { priority: 1 }),
    column("Images", "string", (it) => containers(it, "image"), { priority: 1 }),
    column("Selector", "string", (it) => labelsOf(at(it, "spec", "selector", "matchLabels")), { priority: 1 }),
  ],
  prepare(next) {
    const spec: JsonObject = { ...(isObject(next.spec) ? next.spec : {}) };
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    const strategy = isObject(spec.strategy) ? spec.strategy : {};
    const type = strategy.type ?? "RollingUpdate";
    const rolling = {
      maxUnavailable: "25%",
      maxSurge: "25%",
      ...(isObject(strategy.rollingUpdate) ? strategy.rollingUpdate : {}),
    };
    spec.strategy = type === "RollingUpdate" ? { ...strategy, type, rollingUpdate: rolling } : { ...strategy, type };
    const pod = at(spec, "template", "spec");
    if (isObject(pod) && isObject(spec.template)) {
      spec.template = {
        ...spec.template,
        spec: {
          restartPolicy: "Always",
          terminationGracePeriodSeconds: 30,
          dnsPolicy: "ClusterFirst",
          securityContext: {},
          schedulerName: "default-scheduler",
          ...pod,
          ...(Array.isArray(pod.containers) ? { containers: pod.containers.map(container) } : {}),
        },
      };
    }
    return { ...next, spec };
  },
  assign: (next) => ({ ...next, status: isObject(next.status) ? next.status : {} }),
  validate(next, previous) {
    const errors: FieldError[] = [];
    const selector = at(next, "spec", "selector");
    const wanted = at(selector, "matchLabels");
    const labels = at(next, "spec", "template", "metadata", "labels");
    if (!isObject(selector)) errors.push(required("spec.selector"));
    else errors.push(...validateSelector(selector));
    errors.push(...validateStrategy(at(next, "spec", "strategy")));
    if (
      !isObject(selector) ||
      (isObject(wanted) && Object.entries(wanted).some(([key, value]) => at(labels, key) !== value))
    ) {
      errors.push(
        invalidValue("spec.template.metadata.labels", labels ?? null, "`selector` does not match template `labels`"),
      );
    }
    if (previous !== undefined && isObject(selector) && !sameJson(selector, at(previous, "spec", "selector"))) {
      errors.push(invalidStruct("spec.selector", selector, "field is immutable"));
    }
    const replicas = at(next, "spec", "replicas");
    if (typeof replicas === "number" && replicas < 0)
      errors.push(invalidValue("spec.replicas", replicas, "must be greater than or equal to 0"));
    const list = listAt(next, "spec", "template", "spec", "containers");
    if (list.length === 0) errors.push(required("spec.template.spec.containers"));
    list.forEach((one, index) => {
      const path = `spec.template.spec.containers[${index}]`;
      const name = textAt(one, "name");
      if (name === "") errors.push(required(`${path}.name`));
      else {
        for (const problem of nameProblems(name, "label")) errors.push(invalidValue(`${path}.name`, name, problem));
        if (list.slice(0, index).some((other) => textAt(other, "name") === name))
          errors.push(duplicate(`${path}.name`, name));
      }
      if (textAt(one, "image") === "") errors.push(required(`${path}.image`));
    });
    return errors;
  },
});
