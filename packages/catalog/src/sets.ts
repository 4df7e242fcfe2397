import { oneOf } from "./label.ts";

/**
 * How an attempt ended. `success`: done, or healthy and rescheduled. `failure`: carried out, and refused or failed for a reason that
 * retrying alone does not change. `error`: could not be carried out (transport, timeout, open breaker, Kubernetes API) and is retried.
 */
export const outcomes = oneOf("success", "failure", "error");
export type Outcome = (typeof outcomes.values)[number];

/** The resource kinds of VirtRigaud's API group. */
export const kinds = oneOf(
  "VirtualMachine",
  "VMClass",
  "VMImage",
  "VMNetworkAttachment",
  "VMSnapshot",
  "VMClone",
  "Provider",
);
export type Kind = (typeof kinds.values)[number];

export const providerTypes = oneOf("vsphere", "libvirt", "mock");
export type ProviderType = (typeof providerTypes.values)[number];

export const vmOperations = oneOf("Create", "Delete", "Power", "Describe", "Reconfigure");
export type VmOperation = (typeof vmOperations.values)[number];

export const snapshotActions = oneOf("create", "delete", "revert");
export type SnapshotAction = (typeof snapshotActions.values)[number];

/** Canonical gRPC status names, in the order of their numbers 0 to 16 (grpc.io, status codes). */
export const grpcCodes = oneOf(
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
);
export type GrpcCode = (typeof grpcCodes.values)[number];

/** Methods of the provider service under their native names, also where the compatible service was called. */
export const providerMethods = oneOf(
  "Validate",
  "GetCapabilities",
  "CreateVM",
  "DeleteVM",
  "PowerVM",
  "ReconfigureVM",
  "UpgradeHardware",
  "DescribeVM",
  "TaskStatus",
  "CreateSnapshot",
  "DeleteSnapshot",
  "RevertSnapshot",
  "CloneVM",
  "PrepareImage",
  "ExportDisk",
  "ImportDisk",
  "GetDiskInfo",
  "ListVMs",
);
export type ProviderMethod = (typeof providerMethods.values)[number];

/** Why something went wrong, as `virtrigaud_errors_total` counts it. */
export const errorReasons = oneOf(
  "ConnectionFailed",
  "AuthenticationError",
  "Timeout",
  "CircuitOpen",
  "InvalidSpec",
  "DependencyNotFound",
  "NotFound",
  "AlreadyExists",
  "QuotaExceeded",
  "TaskFailed",
  "Unsupported",
  "KubernetesApiError",
  "HypervisorError",
  "TLSError",
  "Internal",
);
export type ErrorReason = (typeof errorReasons.values)[number];

/** virDomainState of libvirt, by the names its tools print without blanks. */
export const domainStates = oneOf(
  "running",
  "paused",
  "shutoff",
  "crashed",
  "blocked",
  "shutdown",
  "pmsuspended",
  "nostate",
);
export type DomainState = (typeof domainStates.values)[number];

/** Resources a virtual kubelet reflects and counts. */
export const reflectorResources = oneOf(
  "Pod",
  "ConfigMap",
  "Secret",
  "Service",
  "ServiceAccount",
  "EndpointSlice",
  "Ingress",
  "PersistentVolumeClaim",
);
export type ReflectorResource = (typeof reflectorResources.values)[number];

/** How packets reach a peer cluster. */
export const tunnelDrivers = oneOf("wireguard", "udp");
export type TunnelDriver = (typeof tunnelDrivers.values)[number];

/** Why a measurement was repaired or dropped. */
export const violationReasons = oneOf("unknown_key", "missing_key", "value", "cardinality");
export type ViolationReason = (typeof violationReasons.values)[number];

/** Upper bounds of duration histograms, seconds. */
export const durationBucketsSeconds = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
] as const;

/** The above and 10, 20, 30 minutes: a VM operation is judged against 600 s, which a top bucket of 300 s could not show. */
export const vmOperationBucketsSeconds = [...durationBucketsSeconds, 600, 1200, 1800] as const;

/** 5 ms to 10 s, the advice of OpenTelemetry's RPC conventions for call durations. */
export const callBucketsSeconds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

/** Powers of ten from 10 ns to 10 s, as client-go's work queue metrics. */
export const workQueueBucketsSeconds = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10] as const;

/** Time to render a page of metrics, seconds. */
export const scrapeBucketsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Pauses of the garbage collector, seconds, as in prom-client. */
export const gcBucketsSeconds = [0.001, 0.01, 0.1, 1, 2, 5] as const;

/** Round trips between clusters, microseconds. */
export const peerLatencyBucketsMicroseconds = [
  50, 100, 250, 500, 1000, 2500, 5000, 10000, 15000, 20000, 36250, 52500, 68750, 85000, 101250, 117500, 133750, 150000,
  178380, 212129, 252264, 299992,
] as const;
