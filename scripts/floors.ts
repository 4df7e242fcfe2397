import { execFile } from "node:child_process";

interface Cruise {
  readonly modules: readonly { source: string; dependencies: readonly { resolved: string }[] }[];
  readonly summary: {
    readonly error: number;
    readonly violations: readonly { from: string; to: string; rule: { name: string } }[];
  };
}

/**
 * Runs dependency-cruiser with the rules of `.dependency-cruiser.cjs`. Fails as well when it followed no import between two
 * packages: a resolver that sees nothing finds nothing wrong, and exits with 0.
 */
export async function floors(): Promise<{ ok: boolean; output: string }> {
  const report = await new Promise<string>((resolve, reject) => {
    execFile(
      "depcruise",
      ["--config", ".dependency-cruiser.cjs", "--output-type", "json", "packages"],
      { maxBuffer: 256 * 1024 * 1024 },
      // It exits with the number of violations, so only an empty report is a failure to run.
      (error, stdout) =>
        stdout === "" && error ? reject(new Error(error.message, { cause: error })) : resolve(stdout),
    );
  });
  const { modules, summary } = JSON.parse(report) as Cruise;
  const packageOf = (path: string): string | undefined => /^packages\/([^/]+)\//.exec(path)?.[1];
  const crossing = modules.flatMap((module) =>
    module.dependencies.filter((dependency) => {
      const target = packageOf(dependency.resolved);
      return target !== undefined && target !== packageOf(module.source);
    }),
  );
  if (crossing.length === 0) {
    return {
      ok: false,
      output: `followed no import between packages in ${modules.length} modules: the resolver is broken`,
    };
  }
  return {
    ok: summary.error === 0,
    output: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} imports ${to}`).join("\n"),
  };
}
