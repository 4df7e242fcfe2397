import type { Scenario } from "../main.ts";
import { must } from "../lib/report.ts";
import { spawnUp } from "../lib/up.ts";

/** The command that a newcomer's script runs, with nothing else on the machine. */
export const untilReady: Scenario = {
  title: "almanac up --until-ready, alone on the machine",
  async run(report, folder) {
    await report.check("it exits 0 once every family has moved", async () => {
      const up = spawnUp(folder, ["--until-ready", "--ready-timeout", "120"], withoutCollector());
      const code = await up.exited;
      must(code === 0, `exit code ${code}:\n${up.output().slice(-3000)}`);
      return /Ready after .*/.exec(up.output())?.[0] ?? "";
    });
  },
};

/** Empty values: the demo then keeps traces itself. */
function withoutCollector(): Record<string, string> {
  return Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith("OTEL_"))
      .map((name) => [name, ""]),
  );
}
