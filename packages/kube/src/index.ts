export { KubeError, isKubeError } from "./error.ts";
export { apiVersionOf, compareResourceVersions, isOfKind, keyOf } from "./objects.ts";
export { createEventRecorder } from "./event-recorder.ts";
export { createFaultyClient } from "./faulty-client.ts";
export { createInformer } from "./informer.ts";
export { bearerToken } from "./connection.ts";
export { createKubeClient } from "./client.ts";
export { createLeaderElector } from "./leader-elector.ts";
export { leaseResource, microTime } from "./lease.ts";
export { createTokenBucket } from "./token-bucket.ts";
export { linkSignals } from "./link-signals.ts";
export { loadKubeConfig } from "./kubeconfig.ts";
export type {
  CallOptions,
  DeleteOptions,
  ListOptions,
  PatchOptions,
  ResourceClient,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./resource.ts";
export type { Credentials, KubeAuth, KubeConnection } from "./connection.ts";
export type { EventRecorder, EventRecorderOptions, ObjectEvent } from "./event-recorder.ts";
export type { FaultRule, FaultVerb, FaultyClient } from "./faulty-client.ts";
export type { Informer, InformerOptions, InformerStatus } from "./informer.ts";
export type { InformerEvent } from "./cache.ts";
export type { KubeClient, KubeClientOptions, KubeRequest, StreamRequest } from "./client.ts";
export type { KubeErrorCode, KubeErrorDetails } from "./error.ts";
export type {
  KubeList,
  KubeObject,
  KubeStatus,
  NewObject,
  ObjectKey,
  ObjectMeta,
  OwnerReference,
  ResourceDefinition,
} from "./objects.ts";
export type { LeaderElectionInstruments, LeaderElector, LeaderElectorOptions, LeaderTerm } from "./leader-elector.ts";
export type { Lease } from "./lease.ts";
export type { LinkedSignal } from "./link-signals.ts";
export type { LoadKubeConfigOptions } from "./kubeconfig.ts";
export type { TokenBucket } from "./token-bucket.ts";
