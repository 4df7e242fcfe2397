import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Attempt, Journal } from "./journal.ts";
import { afterObservation, plan } from "./plan.ts";
import type { Observed, Step, View, Wish } from "./plan.ts";

const now = 1_000_000;
const on: Observed = { exists: true, power: "On", ips: ["10.0.0.5"], consoleUrl: "" };
const off: Observed = { ...on, power: "Off", ips: [] };
const gone: Observed = { exists: false, power: undefined, ips: [], consoleUrl: "" };
const wish: Wish = { digest: "new", power: "On", gracefulMs: 60_000 };
const made: Journal = { id: "vm-1", applied: "new" };

function view(changes: Partial<View> = {}): View {
  return {
    nowMs: now,
    generation: 1,
    deleting: false,
    journal: made,
    task: undefined,
    wish,
    observed: on,
    reconfiguresOnline: true,
    ...changes,
  };
}

function attempt(operation: Attempt["operation"]): Journal {
  return { ...made, attempt: { operation, startedAtMs: now - 1_000 } };
}

const failed = (operation: Attempt["operation"], retryAtMs = now + 500, generation = 1) => ({
  failures: { [operation]: { count: 1, retryAtMs, generation } },
});

describe("plan", () => {
  const cases: [string, Partial<View>, Step][] = [
    ["makes a machine that does not exist", { journal: {} }, { type: "create" }],
    ["waits after a failed creation", { journal: failed("Create") }, { type: "wait", afterMs: 500, for: "retry" }],
    ["tries a changed specification at once", { journal: failed("Create"), generation: 2 }, { type: "create" }],
    ["can do nothing while something is missing", { journal: {}, wish: undefined }, { type: "blocked" }],
    ["looks before it judges", { observed: undefined }, { type: "describe" }],
    ["notices a machine that vanished", { observed: gone }, { type: "vanished" }],
    ["rests when all is as wished", {}, { type: "rest" }],
    ["powers on", { observed: off }, { type: "power", action: "On" }],
    ["resumes a suspended machine", { observed: { ...off, power: "Suspended" } }, { type: "power", action: "On" }],
    ["leaves a state it does not know alone", { observed: { ...on, power: undefined } }, { type: "rest" }],
    ["powers off", { wish: { ...wish, power: "Off" } }, { type: "power", action: "Off" }],
    [
      "asks a guest to shut down",
      { wish: { ...wish, power: "OffGraceful" } },
      { type: "power", action: "ShutdownGraceful" },
    ],
    [
      "gives the guest its time",
      { wish: { ...wish, power: "OffGraceful" }, journal: { ...made, shutdownAtMs: now - 8_000 } },
      { type: "wait", afterMs: 2_000, for: "shutdown" },
    ],
    [
      "and not more than that",
      { wish: { ...wish, power: "OffGraceful" }, journal: { ...made, shutdownAtMs: now - 60_000 } },
      { type: "power", action: "Off" },
    ],
    [
      "does not ask a suspended guest",
      { wish: { ...wish, power: "OffGraceful" }, observed: { ...off, power: "Suspended" } },
      { type: "power", action: "Off" },
    ],
    ["takes off for off", { wish: { ...wish, power: "OffGraceful" }, observed: off }, { type: "rest" }],
    ["changes the shape", { journal: { ...made, applied: "old" } }, { type: "reconfigure" }],
    [
      "changes the shape before a start",
      { journal: { ...made, applied: "old" }, observed: off },
      { type: "reconfigure" },
    ],
    [
      "stops a machine first that cannot be changed while it runs",
      { journal: { ...made, applied: "old" }, reconfiguresOnline: false },
      { type: "power", action: "ShutdownGraceful" },
    ],
    [
      "changes it once it is off",
      { journal: { ...made, applied: "old" }, reconfiguresOnline: false, observed: off },
      { type: "reconfigure" },
    ],
    [
      "does not stop it for a change that has just failed",
      { journal: { ...made, applied: "old", ...failed("Reconfigure") }, reconfiguresOnline: false },
      { type: "rest" },
    ],
    [
      "powers on while a change waits for its next try",
      { journal: { ...made, applied: "old", ...failed("Reconfigure") }, observed: off },
      { type: "power", action: "On" },
    ],
    ["leaves the shape of an adopted machine", { journal: { id: "vm-1" } }, { type: "rest" }],
    [
      "looks for the first address after a power-on",
      { journal: { ...made, poweredOnAtMs: now - 4_000 }, observed: { ...on, ips: [] } },
      { type: "wait", afterMs: 1_000, for: "address" },
    ],
    [
      "stops looking often after ten minutes",
      { journal: { ...made, poweredOnAtMs: now - 600_000 }, observed: { ...on, ips: [] } },
      { type: "rest" },
    ],
    ["follows a task", { journal: attempt("Create"), task: "t-1" }, { type: "poll" }],
    ["sends again what may not have been sent", { journal: attempt("Power") }, { type: "resume" }],
    ["cannot send without what is missing", { journal: attempt("Create"), wish: undefined }, { type: "blocked" }],
    ["lets an object without a machine go", { deleting: true, journal: {} }, { type: "release" }],
    ["deletes the machine first", { deleting: true, wish: undefined }, { type: "delete" }],
    [
      "waits after a failed deletion",
      { deleting: true, journal: { ...made, ...failed("Delete") } },
      { type: "wait", afterMs: 500, for: "retry" },
    ],
    [
      "finds out what an unanswered creation made",
      { deleting: true, journal: { uncertain: true } },
      { type: "create" },
    ],
    [
      "cannot find out without the class",
      { deleting: true, journal: { uncertain: true }, wish: undefined },
      { type: "blocked" },
    ],
    ["drops a power change of a machine that goes", { deleting: true, journal: attempt("Power") }, { type: "abandon" }],
    ["ends a creation before it deletes", { deleting: true, journal: attempt("Create") }, { type: "resume" }],
    ["goes on with a deletion", { deleting: true, journal: attempt("Delete"), wish: undefined }, { type: "resume" }],
  ];

  it.each(cases)("%s", (_name, changes, expected) => {
    expect(plan(view(changes))).toEqual(expected);
  });

  // Invariants: carrying the steps out reaches rest in a bounded number of steps, with the wished power and shape, without ever acting
  // beside an attempt that is under way; and rest stays rest.
  it("converges from any state to any wish", () => {
    const power = fc.constantFrom("On" as const, "Off" as const, "Suspended" as const);
    const start = fc.record({
      exists: fc.boolean(),
      power,
      applied: fc.constantFrom("old", "new"),
      wished: fc.constantFrom("On" as const, "Off" as const, "OffGraceful" as const),
      online: fc.boolean(),
      obeys: fc.boolean(),
    });
    fc.assert(
      fc.property(start, ({ exists, power: first, applied, wished, online, obeys }) => {
        let machine = exists ? { power: first, applied } : undefined;
        let journal: Journal = exists ? { id: "vm-1", applied } : {};
        let observed: Observed | undefined;
        let nowMs = now;
        let requests = 0;
        const mine = { ...wish, power: wished };
        const next = (): Step => plan(view({ journal, observed, nowMs, wish: mine, reconfiguresOnline: online }));
        let steps = 0;
        for (let step = next(); step.type !== "rest"; step = next()) {
          if (++steps > 200) throw new Error(`no rest after ${steps} steps, the last was ${step.type}`);
          switch (step.type) {
            case "create":
              machine = { power: "Off", applied: "new" };
              journal = { id: "vm-1", applied: "new" };
              break;
            case "describe":
              observed = machine === undefined ? gone : { ...on, power: machine.power, ips: ["10.0.0.5"] };
              journal = afterObservation(journal, observed, mine).journal;
              continue;
            case "reconfigure":
              if (machine === undefined || (machine.power === "On" && !online))
                throw new Error("changed a running machine");
              machine = { ...machine, applied: "new" };
              journal = { ...journal, applied: "new" };
              break;
            case "power":
              if (machine === undefined) throw new Error("no machine to power");
              if (step.action === "ShutdownGraceful") {
                if (++requests > 1) throw new Error("asked the guest twice");
                journal = { ...journal, shutdownAtMs: nowMs };
                if (obeys) machine = { ...machine, power: "Off" };
              } else machine = { ...machine, power: step.action };
              break;
            case "wait":
              nowMs += step.afterMs;
              break;
            default:
              throw new Error(`unexpected step ${step.type}`);
          }
          observed = undefined;
        }
        expect(machine).toEqual({ power: wished === "On" ? "On" : "Off", applied: "new" });
        expect(next()).toEqual({ type: "rest" });
      }),
      { seed: 20_260_102 },
    );
  });
});

describe("afterObservation", () => {
  it("tells the first address of a power-on once", () => {
    const journal: Journal = { ...made, poweredOnAtMs: now };
    expect(afterObservation(journal, { ...on, ips: [] }, wish)).toEqual({ journal });
    expect(afterObservation(journal, on, wish)).toEqual({ journal: made, addressSince: now });
    expect(afterObservation(made, on, wish)).toEqual({ journal: made });
    expect(afterObservation(journal, off, wish)).toEqual({ journal: made });
  });

  it("takes an adopted machine for what is wished", () => {
    expect(afterObservation({ id: "vm-1" }, on, wish).journal).toEqual(made);
    expect(afterObservation({ id: "vm-1" }, gone, wish).journal).toEqual({ id: "vm-1" });
  });

  it("forgets a shutdown that was heard or is not wanted any more", () => {
    const journal: Journal = { ...made, shutdownAtMs: now };
    expect(afterObservation(journal, on, { ...wish, power: "OffGraceful" }).journal).toEqual(journal);
    expect(afterObservation({ ...journal, applied: "old" }, on, wish).journal).toEqual({ ...journal, applied: "old" });
    expect(afterObservation(journal, on, wish).journal).toEqual(made);
    expect(afterObservation(journal, off, { ...wish, power: "OffGraceful" }).journal).toEqual(made);
  });
});
