import { create, fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { methods, type MethodDescription, type ServiceName } from "./contract.ts";

type AnyMessage = Message;

/** One method as grpc-js wants it, for either end of the wire. */
export function methodDefinition(
  entry: MethodDescription,
  service: ServiceName,
): MethodDefinition<AnyMessage, AnyMessage> {
  return {
    path: entry.paths[service],
    requestStream: false,
    responseStream: false,
    requestSerialize: serializer(entry.input),
    requestDeserialize: deserializer(entry.input),
    responseSerialize: serializer(entry.output),
    responseDeserialize: deserializer(entry.output),
  };
}

/** The whole service under one of its names, keyed by function name. */
export function serviceDefinition(service: ServiceName): ServiceDefinition {
  return Object.fromEntries(methods.map((entry) => [entry.function, methodDefinition(entry, service)]));
}

function serializer(schema: DescMessage): (message: AnyMessage) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, create(schema, message));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer(schema: DescMessage): (bytes: Buffer) => AnyMessage {
  return (bytes) => fromBinary(schema, bytes);
}
