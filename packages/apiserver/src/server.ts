import type { ApiServer, ApiServerOptions } from "./options.ts";

export async function createApiServer(_options: ApiServerOptions = {}): Promise<ApiServer> {
  await Promise.resolve();
  throw new Error("in the making");
}
