import { describe, expect, it } from "vitest";
import { familiesOfPage } from "./scrape.ts";

const page = `# HELP a_total Things.
# TYPE a_total counter
a_total{x="1"} 0
a_total{x="2"} 3
# TYPE b gauge
b{label="a } 5"} 0
# TYPE c_seconds histogram
c_seconds_bucket{le="1"} 0
c_seconds_bucket{le="+Inf"} 0
c_seconds_sum 0
c_seconds_count 0
# TYPE d_seconds histogram
d_seconds_bucket{le="+Inf"} 2
d_seconds_sum 0
d_seconds_count 2
# TYPE e_count gauge
e_count -1
`;

describe("familiesOfPage", () => {
  it("tells families that moved from those that did not", () => {
    const moved = [...familiesOfPage(page).values()].filter((family) => family.moved).map((family) => family.name);
    expect(moved).toEqual(["a_total", "d_seconds", "e_count"]);
  });

  it("lists every declared family", () => {
    expect([...familiesOfPage(page).keys()]).toEqual(["a_total", "b", "c_seconds", "d_seconds", "e_count"]);
  });
});
