import type { Kind, KindVersion } from "../kinds/kind.ts";
import type { JsonObject } from "../schema/index.ts";
import type { Entry, EventType, StoreEvent } from "../store/entry.ts";
import type { IncludeObject } from "../table/table.ts";
import type { Representation } from "./negotiate.ts";
import { groupVersion, present } from "../kinds/kind.ts";
import { withMeta } from "../object.ts";
import { tableMetadata, toPartial, toTable } from "../table/table.ts";

/** Turns events into lines of a watch stream. */
export interface FrameEncoder {
  /** A line for an object that is there. */
  object(type: EventType, entry: Entry): Buffer;
  /** A line for an event, shared with other watches of the same representation. */
  event(type: EventType, event: StoreEvent): Buffer;
  bookmark(revision: number, initialEventsEnd: boolean): Buffer;
}

export interface FrameOptions {
  readonly kind: Kind;
  readonly version: KindVersion;
  readonly as: Representation["as"];
  readonly includeObject: IncludeObject;
  readonly now: () => number;
}

const initialEventsEnd = "k8s.io/initial-events-end";

export function createFrameEncoder(options: FrameOptions): FrameEncoder {
  const { kind, version, as, includeObject, now } = options;
  const apiVersion = groupVersion(kind, version.version);
  const isTable = as?.kind === "Table";
  const partial = as === undefined ? "" : `${as.group}/${as.version}`;
  const representation = `${kind.group}/${version.version} ${isTable ? "" : partial}`;
  let headers = true;

  function encode(type: string, object: JsonObject): Buffer {
    return Buffer.from(line(type, JSON.stringify(shape(object))));
  }

  function shape(object: JsonObject): JsonObject {
    const shown = present(kind, version, object);
    if (as === undefined) return shown;
    if (!isTable) return toPartial(shown, partial);
    const table = toTable([shown], tableMetadata(shown), {
      apiVersion: partial,
      columns: version.columns,
      includeObject,
      headers,
      nowMs: now(),
    });
    // Only the first table of a stream says what its columns are.
    headers = false;
    return table;
  }

  /** The object's stored JSON where that is what the client sees. */
  function fromEntry(type: string, entry: Entry): Buffer {
    const same = as === undefined && version.fromStored === undefined && entry.object.apiVersion === apiVersion;
    return same ? Buffer.from(line(type, entry.json)) : encode(type, entry.object);
  }

  return {
    object: fromEntry,
    event(type, event) {
      // An object that no longer matches goes with the state that did, under the revision of the change.
      const left = type === "DELETED" && event.type !== "DELETED";
      const make = (): Buffer =>
        left && event.previous !== undefined
          ? encode(type, withMeta(event.previous.object, { resourceVersion: String(event.revision) }))
          : fromEntry(type, event.entry);
      // A table holds ages, so its lines cannot be kept.
      if (isTable) return make();
      const id = `${representation} ${type}${left ? " left" : ""}`;
      let frame = event.frames.get(id);
      if (frame === undefined) event.frames.set(id, (frame = make()));
      return frame;
    },
    bookmark(revision, end) {
      const metadata: JsonObject = {
        resourceVersion: String(revision),
        ...(end ? { annotations: { [initialEventsEnd]: "true" } } : {}),
      };
      const object = { kind: kind.kind, apiVersion, metadata };
      if (!isTable)
        return Buffer.from(line("BOOKMARK", JSON.stringify(as === undefined ? object : toPartial(object, partial))));
      const table = toTable([], metadata, {
        apiVersion: partial,
        columns: version.columns,
        includeObject,
        headers: false,
        nowMs: now(),
      });
      return Buffer.from(
        line(
          "BOOKMARK",
          JSON.stringify({
            ...table,
            rows: [{ cells: version.columns.map(() => null), object: toPartial(object, partial) }],
          }),
        ),
      );
    },
  };
}

/** The line that ends a watch with an error. */
export function errorFrame(status: JsonObject): Buffer {
  return Buffer.from(line("ERROR", JSON.stringify(status)));
}

function line(type: string, json: string): string {
  return `{"type":"${type}","object":${json}}\n`;
}
