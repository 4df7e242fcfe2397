/** The embedded API in a process of its own: `child.ts FOLDER`, whose certificate it takes. Says its address and token, ends with its parent. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createApiServer } from "@almanac/apiserver";

const [folder = ""] = process.argv.slice(2);
const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const server = await createApiServer({
  tls: { cert: read("server.crt"), key: read("server.key"), ca: read("ca.crt") },
});
process.on("disconnect", () => process.exit());
process.send?.({ url: server.url, token: server.token });
