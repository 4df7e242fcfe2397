import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Client, type ServiceError } from "@grpc/grpc-js";
import { clientCredentials, type ClientTls } from "@almanac/grpc";
import { service as healthService } from "grpc-health-check";
import type { StandardProbes } from "./case.ts";

const deadlineMs = 10_000;

/** Clients of the health and reflection services; they carry no telemetry. */
export function createStandardProbes(address: string, tls: ClientTls | "insecure"): StandardProbes & Disposable {
  const credentials = clientCredentials(tls);
  const client = new Client(address, credentials);

  return {
    health(service) {
      const { path, requestSerialize, responseDeserialize } = healthService["Check"] as (typeof healthService)[string];
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize as (request: object) => Buffer,
          responseDeserialize as (bytes: Buffer) => { status: string },
          { service },
          { deadline: Date.now() + deadlineMs },
          (error: ServiceError | null, reply) => (error === null ? resolve(reply?.status ?? "") : reject(error)),
        );
      });
    },
    reflectedServices() {
      return new Promise((resolve, reject) => {
        const call = client.makeBidiStreamRequest(
          "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => bytes,
          { deadline: Date.now() + deadlineMs },
        );
        call.on("error", reject);
        call.on("data", (bytes: Buffer) => {
          resolve(serviceNamesIn(bytes));
          call.end();
        });
        // ServerReflectionRequest { list_services: "*" }, field 7.
        call.write(Buffer.from([0x3a, 0x01, 0x2a]));
      });
    },
    [Symbol.dispose]() {
      client.close();
      credentials[Symbol.dispose]();
    },
  };
}

/** ServerReflectionResponse.list_services_response (6) . service (1) . name (1), from grpc/reflection/v1/reflection.proto. */
function serviceNamesIn(response: Uint8Array): string[] {
  return messagesIn(response, 6)
    .flatMap((list) => messagesIn(list, 1))
    .flatMap((service) => messagesIn(service, 1))
    .map((name) => new TextDecoder().decode(name));
}

function messagesIn(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(wireType, field);
  }
  return found;
}
