import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Server, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation, service as healthService } from "grpc-health-check";
import { serviceNames } from "./contract.ts";
import { file_almanac_provider_v1_provider } from "./gen/almanac/provider/v1/provider_pb.ts";
import { file_provider_v1_provider } from "./gen/provider/v1/provider_pb.ts";

/** Health and reflection beside the provider services. */
interface StandardServices {
  /** What the health service answers for the server as a whole ("") and for both provider services. */
  setServing(serving: boolean): void;
  /** Ends the streams that would otherwise live as long as their client: health watches and reflection. */
  endStreams(): void;
}

const standardPrefixes = [
  "/grpc.health.v1.Health/",
  "/grpc.reflection.v1.ServerReflection/",
  "/grpc.reflection.v1alpha.",
];

/** True for paths of the services this file adds. */
export function isStandardPath(path: string): boolean {
  return standardPrefixes.some((prefix) => path.startsWith(prefix));
}

/** Adds grpc.health.v1 (serving from the start) and server reflection v1 and v1alpha to `server`. */
export function addStandardServices(server: Server): StandardServices {
  const streams = new Set<OpenStream>();
  const target = {
    addService: (definition: ServiceDefinition, implementation: UntypedServiceImplementation) =>
      server.addService(definition, trackStreams(definition, implementation, streams)),
  };

  const names = ["", ...Object.values(serviceNames)];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, "SERVING" as const])));
  health.addToServer(target);
  new ReflectionService(describedFiles()).addToServer(target);

  return {
    setServing(serving) {
      for (const name of names) health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    },
    endStreams() {
      for (const stream of streams) stream.end();
    },
  };
}

interface OpenStream {
  end(): void;
  on(event: "cancelled" | "close" | "finish", listener: () => void): unknown;
}

// Neither library ends its streams or says which are open, and a server with an open stream never finishes its shutdown.
function trackStreams(
  definition: ServiceDefinition,
  implementation: UntypedServiceImplementation,
  streams: Set<OpenStream>,
): UntypedServiceImplementation {
  const tracked: UntypedServiceImplementation = { ...implementation };
  for (const [name, method] of Object.entries(definition)) {
    if (!method.responseStream) continue;
    // Libraries may register a method under either spelling.
    for (const key of [name, method.originalName]) {
      const handler = key === undefined ? undefined : implementation[key];
      if (key === undefined || handler === undefined) continue;
      tracked[key] = (call: OpenStream) => {
        streams.add(call);
        for (const event of ["cancelled", "close", "finish"] as const) call.on(event, () => streams.delete(call));
        (handler as (call: OpenStream) => void)(call);
      };
    }
  }
  return tracked;
}

// The library wants proto-loader's package definition but reads nothing from it except the encoded descriptors.
function describedFiles(): ConstructorParameters<typeof ReflectionService>[0] {
  const own = [file_provider_v1_provider, file_almanac_provider_v1_provider].map(({ proto }) =>
    Buffer.from(toBinary(FileDescriptorProtoSchema, proto)),
  );
  const health = Object.values(healthService).flatMap((method) => {
    const { requestType } = method as unknown as { requestType?: { fileDescriptorProtos?: Buffer[] } };
    return requestType?.fileDescriptorProtos ?? [];
  });
  return {
    files: { format: "Protocol Buffer 3 DescriptorProto", type: {}, fileDescriptorProtos: [...own, ...health] },
  };
}
