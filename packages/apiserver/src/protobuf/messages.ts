import type { Message } from "./message.ts";
import {
  bool,
  bytesMap,
  int,
  intOrString,
  many,
  microTime,
  one,
  optionalBool,
  optionalInt,
  quantityMap,
  rawJson,
  text,
  textMap,
  texts,
  time,
} from "./message.ts";

/** Field numbers as in the `generated.proto` files of k8s.io/api and k8s.io/apimachinery. */

const metadata = one(1, {
  name: text(1),
  generateName: text(2),
  namespace: text(3),
  selfLink: text(4),
  uid: text(5),
  resourceVersion: text(6),
  generation: int(7),
  creationTimestamp: time(8),
  deletionTimestamp: time(9),
  deletionGracePeriodSeconds: optionalInt(10),
  labels: textMap(11),
  annotations: textMap(12),
  ownerReferences: many(13, {
    kind: text(1),
    name: text(3),
    uid: text(4),
    apiVersion: text(5),
    controller: optionalBool(6),
    blockOwnerDeletion: optionalBool(7),
  }),
  finalizers: texts(14),
  managedFields: many(17, {
    manager: text(1),
    operation: text(2),
    apiVersion: text(3),
    time: time(4),
    fieldsType: text(6),
    fieldsV1: rawJson(7),
    subresource: text(8),
  }),
});

const condition: Message = {
  type: text(1),
  status: text(2),
  lastTransitionTime: time(4),
  reason: text(5),
  message: text(6),
};

const labelSelector: Message = {
  matchLabels: textMap(1),
  matchExpressions: many(2, { key: text(1), operator: text(2), values: texts(3) }),
};

const reference: Message = { name: text(1) };

const keySelector: Message = { localObjectReference: one(1, reference), key: text(2), optional: optionalBool(3) };

/** Probes, security contexts, affinity and the rarer volumes are left to JSON: such a pod template answers 415. */
const container: Message = {
  name: text(1),
  image: text(2),
  command: texts(3),
  args: texts(4),
  workingDir: text(5),
  ports: many(6, { name: text(1), hostPort: int(2), containerPort: int(3), protocol: text(4), hostIP: text(5) }),
  env: many(7, {
    name: text(1),
    value: text(2),
    valueFrom: one(3, { configMapKeyRef: one(3, keySelector), secretKeyRef: one(4, keySelector) }),
  }),
  resources: one(8, { limits: quantityMap(1), requests: quantityMap(2) }),
  volumeMounts: many(9, {
    name: text(1),
    readOnly: bool(2),
    mountPath: text(3),
    subPath: text(4),
    mountPropagation: text(5),
    subPathExpr: text(6),
    recursiveReadOnly: text(7),
  }),
  terminationMessagePath: text(13),
  imagePullPolicy: text(14),
  stdin: bool(16),
  stdinOnce: bool(17),
  tty: bool(18),
  terminationMessagePolicy: text(20),
  restartPolicy: text(24),
};

const podTemplate: Message = {
  metadata,
  spec: one(2, {
    containers: many(2, container),
    restartPolicy: text(3),
    terminationGracePeriodSeconds: optionalInt(4),
    activeDeadlineSeconds: optionalInt(5),
    dnsPolicy: text(6),
    nodeSelector: textMap(7),
    serviceAccountName: text(8),
    serviceAccount: text(9),
    nodeName: text(10),
    hostNetwork: bool(11),
    hostPID: bool(12),
    hostIPC: bool(13),
    securityContext: one(14, {}, { pointer: true }),
    imagePullSecrets: many(15, reference),
    hostname: text(16),
    subdomain: text(17),
    schedulerName: text(19),
    initContainers: many(20, container),
    automountServiceAccountToken: optionalBool(21),
    priorityClassName: text(24),
    priority: optionalInt(25),
  }),
};

const objectReference: Message = {
  kind: text(1),
  namespace: text(2),
  name: text(3),
  uid: text(4),
  apiVersion: text(5),
  resourceVersion: text(6),
  fieldPath: text(7),
};

const eventSource: Message = { component: text(1), host: text(2) };
const eventSeries: Message = { count: int(1), lastObservedTime: microTime(2) };

/** The messages that may be sent, by apiVersion and kind. */
export const messages: Readonly<Record<string, Message>> = {
  "v1 Namespace": {
    metadata,
    spec: one(2, { finalizers: texts(1) }),
    status: one(3, { phase: text(1), conditions: many(2, condition) }),
  },
  "v1 ConfigMap": { metadata, data: textMap(2), binaryData: bytesMap(3), immutable: optionalBool(4) },
  "v1 Secret": { metadata, data: bytesMap(2), type: text(3), stringData: textMap(4), immutable: optionalBool(5) },
  "v1 Service": {
    metadata,
    spec: one(2, {
      ports: many(1, {
        name: text(1),
        protocol: text(2),
        port: int(3),
        targetPort: intOrString(4),
        nodePort: int(5),
        appProtocol: text(6),
      }),
      selector: textMap(2),
      clusterIP: text(3),
      type: text(4),
      externalIPs: texts(5),
      sessionAffinity: text(7),
      loadBalancerIP: text(8),
      loadBalancerSourceRanges: texts(9),
      externalName: text(10),
      externalTrafficPolicy: text(11),
      healthCheckNodePort: int(12),
      publishNotReadyAddresses: bool(13),
      sessionAffinityConfig: one(14, { clientIP: one(1, { timeoutSeconds: optionalInt(1) }) }),
      ipFamilyPolicy: text(17),
      clusterIPs: texts(18),
      ipFamilies: texts(19),
      allocateLoadBalancerNodePorts: optionalBool(20),
      loadBalancerClass: text(21),
      internalTrafficPolicy: text(22),
      trafficDistribution: text(23),
    }),
    status: one(3, { loadBalancer: one(1, {}) }),
  },
  "v1 Event": {
    metadata,
    involvedObject: one(2, objectReference),
    reason: text(3),
    message: text(4),
    source: one(5, eventSource),
    firstTimestamp: time(6),
    lastTimestamp: time(7),
    count: int(8),
    type: text(9),
    eventTime: microTime(10),
    series: one(11, eventSeries),
    action: text(12),
    related: one(13, objectReference),
    reportingComponent: text(14),
    reportingInstance: text(15),
  },
  "events.k8s.io/v1 Event": {
    metadata,
    eventTime: microTime(2),
    series: one(3, eventSeries),
    reportingController: text(4),
    reportingInstance: text(5),
    action: text(6),
    reason: text(7),
    regarding: one(8, objectReference),
    related: one(9, objectReference),
    note: text(10),
    type: text(11),
    deprecatedSource: one(12, eventSource),
    deprecatedFirstTimestamp: time(13),
    deprecatedLastTimestamp: time(14),
    deprecatedCount: int(15),
  },
  "coordination.k8s.io/v1 Lease": {
    metadata,
    spec: one(2, {
      holderIdentity: text(1),
      leaseDurationSeconds: optionalInt(2),
      acquireTime: microTime(3),
      renewTime: microTime(4),
      leaseTransitions: optionalInt(5),
      strategy: text(6),
      preferredHolder: text(7),
    }),
  },
  "apps/v1 Deployment": {
    metadata,
    spec: one(2, {
      replicas: optionalInt(1),
      selector: one(2, labelSelector),
      template: one(3, podTemplate),
      strategy: one(4, {
        type: text(1),
        rollingUpdate: one(2, { maxUnavailable: intOrString(1), maxSurge: intOrString(2) }),
      }),
      minReadySeconds: int(5),
      revisionHistoryLimit: optionalInt(6),
      paused: bool(7),
      progressDeadlineSeconds: optionalInt(9),
    }),
    status: one(3, {
      observedGeneration: int(1),
      replicas: int(2),
      updatedReplicas: int(3),
      availableReplicas: int(4),
      unavailableReplicas: int(5),
      conditions: many(6, {
        ...condition,
        lastTransitionTime: time(7),
        reason: text(4),
        message: text(5),
        lastUpdateTime: time(6),
      }),
      readyReplicas: int(7),
      collisionCount: optionalInt(8),
      terminatingReplicas: optionalInt(9),
    }),
  },
  DeleteOptions: {
    gracePeriodSeconds: optionalInt(1),
    preconditions: one(2, { uid: text(1), resourceVersion: text(2) }),
    orphanDependents: optionalBool(3),
    propagationPolicy: text(4),
    dryRun: texts(5),
    ignoreStoreReadErrorWithClusterBreakingPotential: optionalBool(6),
  },
};
