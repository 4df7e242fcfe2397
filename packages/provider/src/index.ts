export { createProviderClient } from "./client.ts";
export { runConformance } from "./conformance/run.ts";
export { adoptTag, ownerOf, ownerTag, wantsAdoption } from "./contract.ts";
export { encodeCloneDocuments, encodeCreateDocuments, encodeDesiredVm } from "./documents.ts";
export { ProviderError } from "./error.ts";
export { PowerOp } from "./gen/provider/v1/provider_pb.ts";
export { startProviderServer } from "./server.ts";
export { openStateFile } from "./state-file.ts";
export { createTaskStore } from "./task-store.ts";
export type { CaseResult, ConformanceOptions, ConformanceReport } from "./conformance/run.ts";
export type { CallOptions, ProviderClient, ProviderClientOptions } from "./client.ts";
export type {
  MethodOf,
  ProviderFunction,
  RequestInit,
  RequestOf,
  ResponseInit,
  ResponseOf,
  ServiceName,
} from "./contract.ts";
export type {
  CloneClassJson,
  CloneDocuments,
  CloneResourceJson,
  CreateDocuments,
  CustomizeJson,
  DesiredVmJson,
  DiskJson,
  DocumentsOf,
  ImageSpecJson,
  NetworkJson,
  PlacementJson,
  StorageOptionsJson,
  VmClassJson,
  VmImageJson,
} from "./documents.ts";
export type { ProviderErrorCode, ProviderErrorOptions } from "./error.ts";
export type { DiskInfo, NetworkInfo, TaskRef, VMInfo } from "./gen/provider/v1/provider_pb.ts";
export type { ProviderCall, ProviderHandlers } from "./handlers.ts";
export type { ProviderServer, ProviderServerOptions, RpcRecord } from "./server.ts";
export type { StateFile } from "./state-file.ts";
export type { Interrupted, NewTask, TaskInfo, TaskRun, TaskState, TaskStore, TaskStoreOptions } from "./task-store.ts";
