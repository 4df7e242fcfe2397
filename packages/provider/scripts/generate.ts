/**
 * Generates src/gen from proto/. `node -C source packages/provider/scripts/generate.ts [--check]`
 *
 * protoc is not an npm package, so its output (a FileDescriptorSet, with the digest of the sources it was made from) is committed too.
 * The TypeScript is always generated from that set with protoc-gen-es, so a machine without protoc can still verify everything
 * except that protoc itself would produce the same set; the digest catches a .proto that was edited without regenerating.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
  type FileDescriptorSet,
} from "@bufbuild/protobuf/wkt";
import { format, resolveConfig } from "prettier";

const packageRoot = join(import.meta.dirname, "..");
const protoRoot = join(packageRoot, "proto");
const descriptorFile = join(protoRoot, "descriptors.binpb");
const digestFile = join(protoRoot, "descriptors.sha256");
const genRoot = join(packageRoot, "src", "gen");
const sources = ["provider/v1/provider.proto", "almanac/provider/v1/provider.proto"];
const plugin = fileURLToPath(import.meta.resolve("@bufbuild/protoc-gen-es/bin/protoc-gen-es"));
const pluginOptions = "target=ts,import_extension=ts,erasable_syntax=true";

/** What a verification found: one line per difference, and what could not be looked at. */
export interface GenerateReport {
  readonly differences: readonly string[];
  readonly skipped: readonly string[];
}

/** Rewrites the descriptor set and src/gen. Needs protoc on the PATH; rejects with its output when it fails. */
export async function generate(): Promise<void> {
  const bytes = await runProtoc();
  await writeFile(descriptorFile, bytes);
  await writeFile(digestFile, `${await digestOfSources()}\n`);
  await rm(genRoot, { recursive: true, force: true });
  for (const [path, content] of await render(fromBinary(FileDescriptorSetSchema, bytes))) {
    await mkdir(dirname(join(genRoot, path)), { recursive: true });
    await writeFile(join(genRoot, path), content);
  }
}

/** Compares what is committed with what would be generated. Without protoc its part is skipped with a reason. */
export async function verifyGenerated(): Promise<GenerateReport> {
  const differences: string[] = [];
  const skipped: string[] = [];
  const committed = fromBinary(FileDescriptorSetSchema, await readFile(descriptorFile));

  if ((await readFile(digestFile, "utf8")).trim() !== (await digestOfSources())) {
    differences.push(
      "proto/descriptors.sha256 was made from other .proto files: run packages/provider/scripts/generate.ts",
    );
  }
  const rendered = await render(committed);
  for (const [path, content] of rendered) {
    const present = await readFile(join(genRoot, path), "utf8").catch(() => undefined);
    if (present !== content) differences.push(`src/gen/${path} ${present === undefined ? "is missing" : "differs"}`);
  }
  for (const entry of await readdir(genRoot, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(genRoot.length + 1);
    if (entry.isFile() && !rendered.has(path)) differences.push(`src/gen/${path} belongs to no .proto file`);
  }

  if (await hasProtoc()) {
    const fresh = fromBinary(FileDescriptorSetSchema, await runProtoc());
    if (!equals(FileDescriptorSetSchema, withoutSourceInfo(fresh), withoutSourceInfo(committed))) {
      differences.push("proto/descriptors.binpb is not what protoc makes of the .proto files");
    }
  } else {
    skipped.push("proto/descriptors.binpb against protoc: no protoc on the PATH (Debian: protobuf-compiler)");
  }
  return { differences, skipped };
}

async function hasProtoc(): Promise<boolean> {
  return promisify(execFile)("protoc", ["--version"]).then(
    () => true,
    () => false,
  );
}

async function runProtoc(): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), "almanac-protoc-"));
  try {
    const out = join(directory, "set.binpb");
    await promisify(execFile)("protoc", [
      `--proto_path=${protoRoot}`,
      "--include_imports",
      "--include_source_info",
      `--descriptor_set_out=${out}`,
      ...sources,
    ]);
    return await readFile(out);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function digestOfSources(): Promise<string> {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(await readFile(join(protoRoot, source)));
  return hash.digest("hex");
}

// The positions of comments may differ between versions of protoc; what they say is compared in the generated code.
function withoutSourceInfo(set: FileDescriptorSet): FileDescriptorSet {
  const copy = fromBinary(FileDescriptorSetSchema, toBinary(FileDescriptorSetSchema, set));
  for (const file of copy.file) delete file.sourceCodeInfo;
  return copy;
}

/** Speaks the plugin protocol of protoc: a CodeGeneratorRequest on stdin, a CodeGeneratorResponse on stdout. */
async function render(set: FileDescriptorSet): Promise<Map<string, string>> {
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: [...sources],
    parameter: pluginOptions,
    protoFile: set.file,
    sourceFileDescriptors: set.file,
  });
  const child = spawn(process.execPath, [plugin], { stdio: ["pipe", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end(toBinary(CodeGeneratorRequestSchema, request));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const response = fromBinary(CodeGeneratorResponseSchema, Buffer.concat(chunks));
  if (exitCode !== 0 || response.error !== "") {
    throw new Error(`protoc-gen-es ended with ${exitCode}: ${response.error || "see its output above"}`);
  }
  const options = (await resolveConfig(join(genRoot, "x.ts"))) ?? { printWidth: 120 };
  const files = new Map<string, string>();
  for (const { name, content } of response.file) {
    files.set(name, await format(content, { ...options, parser: "typescript" }));
  }
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--check")) {
    const report = await verifyGenerated();
    for (const line of report.skipped) console.log(`skipped: ${line}`);
    for (const line of report.differences) console.error(line);
    // In CI protoc must be there; elsewhere its absence is only said.
    if (report.differences.length > 0 || (process.env["CI"] && report.skipped.length > 0)) process.exitCode = 1;
  } else {
    await generate();
  }
}
