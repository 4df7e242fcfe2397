import type { ApiServer } from "../src/index.ts";
import { afterAll, beforeAll, describe, it } from "vitest";
import { createApiServer } from "../src/index.ts";
import { runCase } from "./case.ts";
import { conformanceCases } from "./cases.ts";

describe("the embedded API server", () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await createApiServer();
  });

  afterAll(async () => {
    await server.close();
  });

  it.each(conformanceCases.map((one) => [one.name, one] as const))("conforms: %s", async (_name, one) => {
    await runCase(one, { url: server.url, token: server.token, fetch });
  });
});
