import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ProviderMethod } from "@almanac/catalog";
import { Provider as CompatibleProvider } from "./gen/provider/v1/provider_pb.ts";
import { Provider as NativeProvider } from "./gen/almanac/provider/v1/provider_pb.ts";

/** `native` is almanac.provider.v1.Provider, `compatible` VirtRigaud's provider.v1.Provider. */
export type ServiceName = "native" | "compatible";

/** Methods as functions are named: `createVM` for CreateVM. */
export type ProviderFunction = keyof typeof NativeProvider.method;

/** The native method name behind a function name. */
export type MethodOf<F extends ProviderFunction> = Extract<ProviderMethod, Capitalize<F>>;

type Input<F extends ProviderFunction> = (typeof NativeProvider.method)[F]["input"];
type Output<F extends ProviderFunction> = (typeof NativeProvider.method)[F]["output"];

/** The request message of a method. */
export type RequestOf<F extends ProviderFunction> = MessageShape<Input<F>>;
/** The request as a caller writes it: fields left out have their default. */
export type RequestInit<F extends ProviderFunction> = MessageInitShape<Input<F>>;
/** The response message of a method. */
export type ResponseOf<F extends ProviderFunction> = MessageShape<Output<F>>;
/** The response as a handler writes it: fields left out have their default. */
export type ResponseInit<F extends ProviderFunction> = MessageInitShape<Output<F>>;

/** One method of the contract under both of its names. */
export interface MethodDescription {
  readonly method: ProviderMethod;
  readonly function: ProviderFunction;
  readonly paths: Readonly<Record<ServiceName, string>>;
  readonly input: DescMessage;
  readonly output: DescMessage;
  /** What a manager waits for an answer by default, milliseconds. */
  readonly deadlineMs: number;
}

const seconds = 1000;
const minutes = 60 * seconds;

const deadlinesMs: Readonly<Record<ProviderMethod, number>> = {
  Validate: 30 * seconds,
  GetCapabilities: 30 * seconds,
  CreateVM: 5 * minutes,
  DeleteVM: 2 * minutes,
  PowerVM: 2 * minutes,
  ReconfigureVM: 5 * minutes,
  UpgradeHardware: 5 * minutes,
  DescribeVM: 30 * seconds,
  TaskStatus: 10 * seconds,
  CreateSnapshot: 5 * minutes,
  DeleteSnapshot: 2 * minutes,
  RevertSnapshot: 5 * minutes,
  CloneVM: 5 * minutes,
  PrepareImage: 5 * minutes,
  ExportDisk: 30 * minutes,
  ImportDisk: 30 * minutes,
  GetDiskInfo: 2 * minutes,
  ListVMs: 2 * minutes,
};

// Both services list their methods in the same order, with the same messages; a test holds them to it.
const nativeMethods = NativeProvider.methods as readonly DescMethodUnary[];
const compatibleMethods = CompatibleProvider.methods as readonly DescMethodUnary[];

/** Every method of the contract, in the order of the .proto. */
export const methods: readonly MethodDescription[] = nativeMethods.map((native, index) => {
  const compatible = compatibleMethods[index] as DescMethodUnary;
  const method = native.name as ProviderMethod;
  return {
    method,
    function: native.localName as ProviderFunction,
    paths: {
      native: `/${NativeProvider.typeName}/${native.name}`,
      compatible: `/${CompatibleProvider.typeName}/${compatible.name}`,
    },
    input: native.input,
    output: native.output,
    deadlineMs: deadlinesMs[method],
  };
});

/** Full gRPC names of the two services. */
export const serviceNames: Readonly<Record<ServiceName, string>> = {
  native: NativeProvider.typeName,
  compatible: CompatibleProvider.typeName,
};

const byPath = new Map(methods.flatMap((entry) => Object.values(entry.paths).map((path) => [path, entry] as const)));

/** The method a gRPC path (`/package.Service/Method`) means under either service name. */
export function methodOfPath(path: string): MethodDescription | undefined {
  return byPath.get(path);
}

/** Owner tag of CreateVM and, inside customize_json, of CloneVM: `almanac.dev/owner=<UID of the object>`. */
export const ownerTag = "almanac.dev/owner";

/** The owner named by a list of tags, or undefined. The first one counts. */
export function ownerOf(tags: readonly string[]): string | undefined {
  const prefix = `${ownerTag}=`;
  const found = tags.find((tag) => tag.startsWith(prefix) && tag.length > prefix.length);
  return found?.slice(prefix.length);
}

/**
 * Tag by which a manager asks to take over a VM that exists without owner, `virtrigaud.io/adopt=true`: the object's annotation of that
 * name, since annotations themselves do not travel.
 */
export const adoptTag = "virtrigaud.io/adopt";

/** Whether a list of tags asks for an ownerless VM to be taken over. */
export function wantsAdoption(tags: readonly string[]): boolean {
  return tags.includes(`${adoptTag}=true`);
}
