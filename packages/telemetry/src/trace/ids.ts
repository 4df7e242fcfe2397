import { randomFillSync } from "node:crypto";
import type { IdGenerator } from "@opentelemetry/sdk-trace";

const poolBytes = 4_096;
const digits = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));

/**
 * Random ids (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag: all of their bytes are random), never all zeros. Bytes are drawn
 * many at a time; each id is a text of its own, so that one that is kept keeps nothing else.
 */
export function createIdGenerator(): IdGenerator {
  const pool = new Uint8Array(poolBytes);
  let at = poolBytes;

  function draw(): string {
    if (at === poolBytes) {
      randomFillSync(pool);
      at = 0;
    }
    const from = at;
    at += 8;
    return String.fromCharCode(
      digits[pool[from]! >> 4]!,
      digits[pool[from]! & 15]!,
      digits[pool[from + 1]! >> 4]!,
      digits[pool[from + 1]! & 15]!,
      digits[pool[from + 2]! >> 4]!,
      digits[pool[from + 2]! & 15]!,
      digits[pool[from + 3]! >> 4]!,
      digits[pool[from + 3]! & 15]!,
      digits[pool[from + 4]! >> 4]!,
      digits[pool[from + 4]! & 15]!,
      digits[pool[from + 5]! >> 4]!,
      digits[pool[from + 5]! & 15]!,
      digits[pool[from + 6]! >> 4]!,
      digits[pool[from + 6]! & 15]!,
      digits[pool[from + 7]! >> 4]!,
      digits[pool[from + 7]! & 15]!,
    );
  }

  function generateSpanId(): string {
    for (;;) {
      const id = draw();
      if (id !== "0000000000000000") return id;
    }
  }

  return { generateSpanId, generateTraceId: () => generateSpanId() + draw() };
}
