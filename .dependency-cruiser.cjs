/** Imports point one way: a package may import packages of lower floors only. See docs/design/house.md. */
const floors = [
  ["core"],
  ["catalog"],
  ["metrics"],
  ["exposition"],
  ["telemetry"],
  ["grpc", "kube", "apiserver"],
  ["controller"],
  ["provider"],
  ["provider-mock", "manager"],
  ["cli"],
];

const source = (packages) => `^packages/(${packages.join("|")})/(src|conformance)/`;
const notTests = "\\.test(\\.helper)?\\.ts$";

const upward = floors.flatMap((packages, floor) =>
  packages.map((name) => ({
    name: `floor-${floor}-${name}`,
    comment: `${name} (floor ${floor}) imports lower floors only`,
    severity: "error",
    from: { path: source([name]), pathNot: notTests },
    to: {
      path: "^packages/",
      pathNot: source([name, ...floors.slice(0, floor).flat()]),
    },
  })),
);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...upward,
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-test-helpers-in-source",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: "\\.test(\\.helper)?\\.ts$|^packages/(testkit|bench)/" },
      to: { path: "^packages/(testkit|bench)/|\\.test(\\.helper)?\\.ts$" },
    },
    {
      name: "no-unresolved",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "declared-dependencies",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: notTests },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"], pathNot: "^packages/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|node_modules)/" },
    combinedDependencies: false,
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
    },
  },
};
