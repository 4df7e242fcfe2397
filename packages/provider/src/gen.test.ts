import { describe, expect, it } from "vitest";
import { verifyGenerated } from "../scripts/generate.ts";

describe("src/gen", () => {
  it("is what the generator makes of proto/", async () => {
    const { differences, skipped } = await verifyGenerated();
    expect(differences).toEqual([]);
    for (const reason of skipped) console.log(`skipped: ${reason}`);
    // On a developer's machine protoc may be missing; where changes are accepted it may not.
    if (process.env["CI"]) expect(skipped).toEqual([]);
    else expect(skipped.length).toBeLessThanOrEqual(1);
  });
});
