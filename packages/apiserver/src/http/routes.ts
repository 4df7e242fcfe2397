import type { JsonObject } from "../schema/index.ts";
import type { OpenApi } from "../discovery/openapi.ts";
import type { Representation } from "./negotiate.ts";
import type { Exchange } from "./request.ts";
import { aggregated, coreVersions, groupList, oneGroup, resourceList } from "../discovery/discovery.ts";
import { emptyOpenApiV2, encodeEmptyOpenApiV2, openApiV2Protobuf } from "../discovery/openapi-v2.ts";
import { badRequest, noSuchMethod, noSuchPath } from "../status.ts";
import { negotiate } from "./negotiate.ts";
import { parseResourcePath } from "./path.ts";
import { serveResource } from "./resources.ts";
import { send, sendText } from "./respond.ts";

/** The version that clients see. */
const version = {
  major: "1",
  minor: "36",
  gitVersion: "v1.36.0",
  gitCommit: "",
  gitTreeState: "",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "",
};

/** Sends every request where it belongs. */
export async function serve(exchange: Exchange, openApi: OpenApi): Promise<void> {
  const { path, request, response } = exchange;
  const segments = segmentsOf(path);
  const [root = ""] = segments;
  const resource = parseResourcePath(segments);
  if (resource !== undefined) return serveResource(exchange, resource);
  if (request.method !== "GET" && request.method !== "HEAD") throw noSuchMethod();
  switch (root) {
    case "healthz":
    case "livez":
    case "readyz":
      return sendText(response, 200, "ok");
    case "version":
      return send(response, 200, version);
    case "api":
    case "apis":
      return serveDiscovery(exchange, segments);
    case "openapi":
      return serveOpenApi(exchange, segments, openApi);
    case "":
      return send(response, 200, {
        paths: ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"],
      });
    default:
      throw noSuchPath();
  }
}

function segmentsOf(path: string): string[] {
  try {
    return path
      .split("/")
      .filter((segment) => segment !== "")
      .map(decodeURIComponent);
  } catch {
    throw badRequest(`the path ${JSON.stringify(path)} holds a wrong escape`);
  }
}

function isAggregated({ kind, group, version }: NonNullable<Representation["as"]>): boolean {
  return (
    kind === "APIGroupDiscoveryList" && group === "apidiscovery.k8s.io" && (version === "v2" || version === "v2beta1")
  );
}

function serveDiscovery(exchange: Exchange, segments: readonly string[]): void {
  const { context, request, response } = exchange;
  const { registry } = context;
  const [root, first = "", second] = segments;
  if (segments.length > (root === "api" ? 2 : 3)) throw noSuchPath();
  const { as, format } = negotiate(request.headers.accept, isAggregated);
  if (segments.length === 1 && as !== undefined) {
    response.setHeader("vary", "Accept");
    const json = JSON.stringify(aggregated(registry, root === "api", as.version));
    response.writeHead(200, {
      "content-type": `application/json;g=apidiscovery.k8s.io;v=${as.version};as=APIGroupDiscoveryList`,
      "content-length": Buffer.byteLength(json),
    });
    response.end(json);
    return;
  }
  let answer: JsonObject | undefined;
  if (segments.length === 1) answer = root === "api" ? coreVersions(request.headers.host ?? "") : groupList(registry);
  else if (root === "api") answer = segments.length === 2 ? resourceList(registry, "", first) : undefined;
  else if (second === undefined) answer = oneGroup(registry, first);
  else answer = resourceList(registry, first, second);
  if (answer === undefined) throw noSuchPath();
  send(response, 200, answer, format);
}

const yearSeconds = 31_536_000;

function serveOpenApiV2({ request, response }: Exchange): void {
  if (request.headers.accept?.includes(openApiV2Protobuf.asked) !== true) return send(response, 200, emptyOpenApiV2);
  const body = encodeEmptyOpenApiV2();
  response.writeHead(200, { "content-type": openApiV2Protobuf.answered, "content-length": body.length });
  response.end(body);
}

function serveOpenApi(exchange: Exchange, segments: readonly string[], openApi: OpenApi): void {
  const { response, query } = exchange;
  const [, kind, root, ...rest] = segments;
  if (kind === "v2" && root === undefined) return serveOpenApiV2(exchange);
  if (kind !== "v3") throw noSuchPath();
  if (root === undefined) return send(response, 200, openApi.index());
  const document =
    root === "api" ? openApi.document("", rest[0] ?? "") : openApi.document(rest[0] ?? "", rest[1] ?? "");
  if (document === undefined || rest.length !== (root === "api" ? 1 : 2)) throw noSuchPath();
  const current = query.get("hash") === document.hash;
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(document.json),
    etag: `"${document.hash}"`,
    // Under its hash a document never changes.
    "cache-control": current ? `public, immutable, max-age=${yearSeconds}` : "no-cache, private",
  });
  response.end(document.json);
}
