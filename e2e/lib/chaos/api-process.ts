/** The embedded API alone, at an address, with a certificate and a token that outlive its process. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createApiServer } from "@almanac/apiserver";
import { group } from "@almanac/manager";
import { followedKinds } from "./results.ts";

/** What it is told, as JSON in the first argument. */
export interface ApiProcessSettings {
  readonly port: number;
  readonly stateDir: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly tokenFile: string;
  /** Where it says what it began with, before it changes. */
  readonly bootFile: string;
}

/** What an API began with. */
export interface Boot {
  readonly resourceVersion: string;
  /** Objects of the group of the manager's kinds, by plural. */
  readonly objects: Readonly<Record<string, readonly object[]>>;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as ApiProcessSettings;
const text = (file: string): string => readFileSync(file, "utf8");
const { store } = await createApiServer({
  port: settings.port,
  stateDir: settings.stateDir,
  tls: { cert: text(settings.certFile), key: text(settings.keyFile), ca: text(settings.caFile) },
  tokens: [text(settings.tokenFile).trim()],
});
const boot: Boot = {
  resourceVersion: String(store.resourceVersion),
  objects: Object.fromEntries(
    Object.values(followedKinds).map((plural) => [plural, store.list(`${plural}.${group}`)] as const),
  ),
};
writeFileSync(`${settings.bootFile}.new`, JSON.stringify(boot));
renameSync(`${settings.bootFile}.new`, settings.bootFile);
process.on("disconnect", () => process.exit());
