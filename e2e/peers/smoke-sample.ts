import { randomBytes } from "node:crypto";

/** OTLP/JSON payloads of one span and three catalog families, and what must be seen of them at the far ends. */
export interface Sample {
  /** 32 lower-case hexadecimal digits, new in every run. */
  readonly traceId: string;
  readonly spanName: string;
  readonly traces: unknown;
  readonly metrics: unknown;
  /** Pieces of the Prometheus text page. */
  readonly textLines: readonly string[];
  /** Pieces of the OpenMetrics page. */
  readonly openMetricsLines: readonly string[];
  /** PromQL and the value it must have. */
  readonly queries: Readonly<Record<string, string>>;
  readonly exemplarQuery: string;
}

const vmOperations = "virtrigaud_vm_operations_total";
const reconcileDuration = "virtrigaud_manager_reconcile_duration_seconds";
const reflectedItems = "liqo_virtual_kubelet_reflection_item_counter";

/** Builds the payloads with the present time. */
export function createSample(): Sample {
  const traceId = randomBytes(16).toString("hex");
  const spanId = randomBytes(8).toString("hex");
  const spanName = "reconcile VirtualMachine";
  const endMs = Date.now();
  const [startTimeUnixNano, timeUnixNano] = [nanos(endMs - 1_000), nanos(endMs)];
  const resource = { attributes: attributes({ "service.name": "peers-smoke", "service.instance.id": "smoke-1" }) };
  const scope = { name: "almanac.peers.smoke", version: "1" };
  const point = { startTimeUnixNano, timeUnixNano };

  // No unit anywhere: the names carry it already, and the Collector would append it once more.
  const metrics = [
    {
      name: vmOperations,
      description: "VM operations by kind and result.",
      sum: {
        aggregationTemporality: 2,
        isMonotonic: true,
        dataPoints: [{ ...point, asInt: "3", attributes: attributes({ operation: "Create", status: "success" }) }],
      },
    },
    {
      name: reconcileDuration,
      description: "Duration of reconcile loops.",
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [
          {
            ...point,
            count: "2",
            sum: 0.37,
            explicitBounds: [0.1, 0.5, 1],
            bucketCounts: ["1", "1", "0", "0"],
            attributes: attributes({ kind: "VirtualMachine", outcome: "success" }),
            exemplars: [{ timeUnixNano, asDouble: 0.3, traceId, spanId }],
          },
        ],
      },
    },
    {
      name: reflectedItems,
      description: "Items reflected now.",
      gauge: { dataPoints: [{ ...point, asInt: "7", attributes: attributes({ namespace: "default" }) }] },
    },
  ];
  const span = {
    traceId,
    spanId,
    name: spanName,
    kind: 1,
    startTimeUnixNano,
    endTimeUnixNano: timeUnixNano,
    status: { code: 1 },
  };
  return {
    traceId,
    spanName,
    traces: { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] },
    metrics: { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics }] }] },
    textLines: [
      `# TYPE ${vmOperations} counter\n`,
      `\n${vmOperations}{`,
      `# TYPE ${reconcileDuration} histogram\n`,
      `\n${reconcileDuration}_bucket{`,
      `# TYPE ${reflectedItems} gauge\n`,
      `\n${reflectedItems}{`,
    ],
    // OpenMetrics names the family of a counter without its `_total`.
    openMetricsLines: [
      `# TYPE ${vmOperations.replace(/_total$/, "")} counter\n`,
      `\n${vmOperations}{`,
      `# TYPE ${reconcileDuration} histogram\n`,
      `\n${reconcileDuration}_bucket{`,
      `# TYPE ${reflectedItems} gauge\n`,
      `\n${reflectedItems}{`,
    ],
    queries: {
      [`${vmOperations}{job="peers-smoke",instance="smoke-1",operation="Create",status="success"}`]: "3",
      [`${reconcileDuration}_count{kind="VirtualMachine"}`]: "2",
      [`${reconcileDuration}_bucket{le="0.1"}`]: "1",
      [`${reflectedItems}{namespace="default"}`]: "7",
    },
    exemplarQuery: `${reconcileDuration}_bucket`,
  };
}

/** Nanoseconds as a decimal string; a JavaScript number cannot hold them. */
function nanos(ms: number): string {
  return `${BigInt(ms) * 1_000_000n}`;
}

function attributes(values: Readonly<Record<string, string>>): unknown[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: { stringValue: value } }));
}
