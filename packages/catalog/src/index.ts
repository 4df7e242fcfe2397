export { combineFamilies, defaultCardinalityLimit, defineCatalog, familiesOf } from "./catalog.ts";
export { CatalogError } from "./error.ts";
export { anyValue, oneOf, optionalValue, otherValue, processOwner } from "./label.ts";
export { lintCatalog } from "./lint.ts";
export { rules as lintRules } from "./lint-rules.ts";
export { liqo } from "./liqo.ts";
export { stack } from "./stack.ts";
export { virtrigaud } from "./virtrigaud.ts";
export { catalogViews } from "./views.ts";
export {
  callBucketsSeconds,
  domainStates,
  durationBucketsSeconds,
  errorReasons,
  gcBucketsSeconds,
  grpcCodes,
  kinds,
  outcomes,
  peerLatencyBucketsMicroseconds,
  providerMethods,
  providerTypes,
  reflectorResources,
  scrapeBucketsSeconds,
  snapshotActions,
  tunnelDrivers,
  violationReasons,
  vmOperationBucketsSeconds,
  vmOperations,
  workQueueBucketsSeconds,
} from "./sets.ts";
export type { Catalog, FamiliesOf, LabelsOf } from "./catalog.ts";
export type { CatalogErrorCode } from "./error.ts";
export type {
  AcceptableRule,
  CounterSpec,
  Family,
  FamilySpec,
  GaugeSpec,
  HistogramSpec,
  InstrumentKind,
  LabelsOfSpec,
  Owner,
} from "./family.ts";
export type { ClosedSet, LabelDomain, OpenSet } from "./label.ts";
export type { Finding, LintRule } from "./lint.ts";
export type {
  DomainState,
  ErrorReason,
  GrpcCode,
  Kind,
  Outcome,
  ProviderMethod,
  ProviderType,
  ReflectorResource,
  SnapshotAction,
  TunnelDriver,
  ViolationReason,
  VmOperation,
} from "./sets.ts";
