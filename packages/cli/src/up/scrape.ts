/** The samples of one family that matter here: did any of them leave zero? */
export interface FamilyState {
  readonly name: string;
  readonly series: number;
  /** A counter, histogram count or gauge other than 0. */
  readonly moved: boolean;
}

const scrapeTimeoutMs = 5_000;

/**
 * Scrapes a Prometheus text page (0.0.4) and gives the families on it. Throws when the target does not answer with 200
 * within 5 s, or answers with something else than text.
 */
export async function scrapeFamilies(url: string, signal?: AbortSignal): Promise<Map<string, FamilyState>> {
  const timeout = AbortSignal.timeout(scrapeTimeoutMs);
  const response = await fetch(url, {
    headers: { accept: "text/plain;version=0.0.4" },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return familiesOfPage(await response.text());
}

/** The families of a text page: `# TYPE` lines name them, sample lines move them. */
export function familiesOfPage(page: string): Map<string, FamilyState> {
  const families = new Map<string, FamilyState>();
  const histograms = new Set<string>();
  for (const line of page.split("\n")) {
    if (line === "") continue;
    const type = /^# TYPE (\S+) (\S+)/.exec(line);
    if (type) {
      families.set(type[1]!, { name: type[1]!, series: 0, moved: false });
      if (type[2] === "histogram") histograms.add(type[1]!);
      continue;
    }
    if (line.startsWith("#")) continue;
    const sample = /^([^{ ]+)(?:\{.*\})? (\S+)/.exec(line);
    if (!sample) continue;
    const name = sample[1]!;
    const histogram = /^(.*)_count$/.exec(name)?.[1];
    // Of a histogram only the count says whether it moved; its sum may well be 0.
    const family =
      families.get(name) ??
      (histogram !== undefined && histograms.has(histogram) ? families.get(histogram) : undefined);
    if (family === undefined) continue;
    const moved = family.moved || Number(sample[2]) !== 0;
    families.set(family.name, { name: family.name, series: family.series + 1, moved });
  }
  return families;
}
