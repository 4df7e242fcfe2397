import type { ApiServer } from "../src/index.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createApiServer } from "../src/index.ts";
import { runCase } from "./case.ts";
import { conformanceCases } from "./cases.ts";
import { embedded } from "./embedded.ts";

describe("the embedded API server", () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await createApiServer();
  });

  afterAll(async () => {
    await server.close();
  });

  it.each(conformanceCases.map((one) => [one.name, one] as const))("conforms: %s", async (_name, one) => {
    await runCase(one, embedded(server));
  });
});

it("every case has a name of its own", () => {
  const names = conformanceCases.map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
