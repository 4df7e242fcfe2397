import type { ServiceDefinition } from "@grpc/grpc-js";

const pass = (bytes: Buffer): Buffer => bytes;

/** A method that sends back what it gets, as it is. */
export const echo = {
  Echo: {
    path: "/bench.Echo/Echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: pass,
    responseDeserialize: pass,
  },
} satisfies ServiceDefinition;
