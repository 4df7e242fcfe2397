import type { Resource } from "@opentelemetry/resources";
import type { MetricsSnapshot, ScopeSnapshot, StreamSnapshot } from "@almanac/metrics/internal";

/** One `ExportMetricsServiceRequest`. */
export interface Message {
  /** Valid until the next message is begun: its memory is used again. */
  readonly bytes: Uint8Array;
  /** Data points in it. */
  readonly points: number;
}

/** How one encoding writes the parts of a message. They are nested and called in the order of the names below. */
export interface MessageFormat {
  /** Whether parts are written from the last to the first, points included. */
  readonly backward: boolean;
  openResource(resource: Resource, timeMs: number): void;
  openScope(scope: ScopeSnapshot["scope"]): void;
  openMetric(stream: StreamSnapshot): void;
  /**
   * Writes the rows of the open metric that are neither holes nor written yet, `steps` of them at most, and fewer when the message
   * reaches `maxBytes`. Says how many it went over.
   */
  writePoints(from: number, steps: number, maxBytes: number): number;
  closeMetric(stream: StreamSnapshot): void;
  closeScope(scope: ScopeSnapshot["scope"]): void;
  closeResource(resource: Resource): Message;
  /** Bytes written so far, without what closing will add. */
  length(): number;
}

/** Rows between two looks at the clock. */
const rowsPerStep = 128;

/**
 * Writes a snapshot as messages, each of which ends with the point that makes it `maxBytes` long, or the last. Between two yields, most
 * of them of nothing, the caller may pause; a message has to be sent before the next step.
 */
export function* writeMessages(
  { resource, scopes, timeMs }: MetricsSnapshot,
  format: MessageFormat,
  maxBytes: number,
): Generator<Message | undefined, void> {
  const { backward } = format;
  let resourceOpen = false;
  for (const { scope, streams } of inOrder(scopes, backward)) {
    let scopeOpen = false;
    for (const stream of inOrder(streams, backward)) {
      let metricOpen = false;
      for (let step = 0; step < stream.rows;) {
        if (!metricOpen && stream.attributes[backward ? stream.rows - 1 - step : step] === undefined) {
          // Nothing is opened for holes alone.
          step++;
          continue;
        }
        if (!resourceOpen) format.openResource(resource, timeMs);
        if (!scopeOpen) format.openScope(scope);
        if (!metricOpen) format.openMetric(stream);
        resourceOpen = scopeOpen = metricOpen = true;
        step += format.writePoints(step, Math.min(rowsPerStep, stream.rows - step), maxBytes);
        if (format.length() < maxBytes) {
          yield undefined;
          continue;
        }
        format.closeMetric(stream);
        format.closeScope(scope);
        yield format.closeResource(resource);
        resourceOpen = scopeOpen = metricOpen = false;
      }
      if (metricOpen) format.closeMetric(stream);
    }
    if (scopeOpen) format.closeScope(scope);
  }
  if (resourceOpen) yield format.closeResource(resource);
}

function inOrder<T>(items: readonly T[], backward: boolean): readonly T[] {
  return backward ? items.toReversed() : items;
}
