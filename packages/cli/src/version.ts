/** Version of every package of this repository; a test compares it with package.json. */
export const packageVersion = "0.1.0";

/** Labels of `virtrigaud_build_info`; images and the demo say their commit in `ALMANAC_GIT_SHA`. */
export function buildInfo(env: NodeJS.ProcessEnv): { version: string; gitSha: string } {
  return { version: packageVersion, gitSha: env["ALMANAC_GIT_SHA"] || "unknown" };
}
