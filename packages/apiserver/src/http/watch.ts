import type { Timer } from "@almanac/core";
import type { Target } from "../rest/context.ts";
import type { Selection } from "../rest/selection.ts";
import type { Entry, EventType, StoreEvent } from "../store/entry.ts";
import type { FrameEncoder } from "./watch-frames.ts";
import type { HubMember } from "./watch-hub.ts";
import type { Representation } from "./negotiate.ts";
import type { Exchange } from "./request.ts";
import type { IncludeObject } from "../table/table.ts";
import { invalidListOptions, readRevision } from "../rest/read.ts";
import { readSelection } from "../rest/selection.ts";
import { forbiddenField, notSupported } from "../schema/index.ts";
import { expired } from "../status.ts";
import { readBoolean, readInteger } from "./query.ts";
import { createFrameEncoder, errorFrame } from "./watch-frames.ts";

// The real server ends watches after half an hour to an hour, at random so that they do not all come back at once.
const shortestWatchMs = 1_800_000;

/** Answers a watch: what is there or has happened since, then what happens, until somebody ends it. */
export function serveWatch(
  exchange: Exchange,
  target: Target,
  representation: Representation,
  includeObject: IncludeObject,
): void {
  const { context, query } = exchange;
  const { kind, version } = target;
  const options = readWatchOptions(query);
  const selection = readSelection(kind, query);
  const wanted = readRevision(query.get("resourceVersion") ?? "");
  const frames = createFrameEncoder({
    kind,
    version,
    as: representation.as,
    includeObject,
    now: () => context.clock.now(),
  });
  const collection = context.store.collection(kind.collection);
  const namespace = target.namespace === "" ? undefined : target.namespace;
  const withInitial = options.sendInitialEvents ?? (wanted === undefined || wanted === 0);
  const past = withInitial || wanted === undefined || wanted === 0 ? [] : collection.history.since(wanted);

  const stream = createWatchStream(exchange, target, frames, selection, {
    timeoutMs: options.timeoutMs,
    bookmarks: options.bookmarks,
    initial: withInitial ? [...selected(collection.sorted(namespace), selection)] : [],
    endMark: options.sendInitialEvents === true && options.bookmarks,
    after: withInitial ? context.store.revision : (wanted ?? context.store.revision),
  });
  if (past === undefined) {
    stream.fail(
      errorFrame(expired(`too old resource version: ${wanted ?? 0} (${collection.history.floor})`).toStatus()),
    );
    return;
  }
  for (const event of past) if (namespace === undefined || event.entry.namespace === namespace) stream.push(event);
  stream.follow(collection.subscribe(namespace, (event) => stream.push(event)));
}

function* selected(entries: readonly Entry[], { match }: Selection): Iterable<Entry> {
  for (const entry of entries) if (match === undefined || match(entry.object)) yield entry;
}

interface WatchOptions {
  readonly timeoutMs: number;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
}

function readWatchOptions(query: URLSearchParams): WatchOptions {
  const match = query.get("resourceVersionMatch") ?? "";
  const send = readBoolean(query.get("sendInitialEvents"));
  const errors = [];
  if (send !== undefined && match !== "NotOlderThan") {
    errors.push(
      forbiddenField("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    );
  }
  if (match !== "" && send === undefined) {
    errors.push(
      forbiddenField(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
      ),
    );
  }
  if (match !== "" && match !== "NotOlderThan")
    errors.push(notSupported("resourceVersionMatch", match, ["NotOlderThan"]));
  if (match !== "" && (query.get("continue") ?? "") !== "") {
    errors.push(forbiddenField("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"));
  }
  if (errors.length > 0) throw invalidListOptions(errors);
  const seconds = readInteger(query.get("timeoutSeconds")) ?? 0;
  return {
    timeoutMs: seconds > 0 ? seconds * 1000 : shortestWatchMs * (1 + Math.random()),
    bookmarks: readBoolean(query.get("allowWatchBookmarks")) === true,
    sendInitialEvents: send,
  };
}

interface StreamOptions {
  readonly timeoutMs: number;
  readonly bookmarks: boolean;
  /** Objects to begin with. */
  readonly initial: readonly Entry[];
  /** Whether a bookmark says when these are through. */
  readonly endMark: boolean;
  /** Events up to this revision are known to the client. */
  readonly after: number;
}

interface WatchStream {
  push(event: StoreEvent): void;
  /** Runs `unsubscribe` when the stream ends. */
  follow(unsubscribe: () => void): void;
  fail(frame: Buffer): void;
}

function createWatchStream(
  exchange: Exchange,
  target: Target,
  frames: FrameEncoder,
  selection: Selection,
  options: StreamOptions,
): WatchStream {
  const { context, response, hub, limits } = exchange;
  const { initial, after } = options;
  const startRevision = context.store.revision;
  let position = 0;
  let endMarkDue = options.endMark;
  let queue: Buffer[] = [];
  let queuedBytes = 0;
  let blocked = false;
  let closed = false;
  let unsubscribe: (() => void) | undefined;

  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();

  const member: HubMember = {
    collection: target.kind.collection,
    bookmark() {
      if (options.bookmarks && !blocked && !closed && position >= initial.length)
        enqueue(frames.bookmark(context.store.revision, false));
    },
    end: () => close(),
  };
  const timer: Timer = context.clock.setTimeout(() => close(), options.timeoutMs, { keepAlive: false });
  hub.add(member);
  response.on("close", release);
  response.on("drain", () => {
    blocked = false;
    pump();
  });
  setImmediate(pump);

  function release(): void {
    if (closed) return;
    closed = true;
    timer.cancel();
    hub.remove(member);
    unsubscribe?.();
    queue = [];
  }

  function close(): void {
    if (closed) return;
    pump();
    release();
    response.end();
  }

  function write(frame: Buffer): void {
    if (!response.write(frame)) blocked = true;
  }

  function pump(): void {
    if (closed) return;
    while (!blocked && position < initial.length) {
      const batch: Buffer[] = [];
      for (let bytes = 0; bytes < 1 << 16 && position < initial.length; position++) {
        const entry = initial[position];
        if (entry === undefined) continue;
        const frame = frames.object("ADDED", entry);
        bytes += frame.length;
        batch.push(frame);
      }
      write(Buffer.concat(batch));
    }
    if (position < initial.length) return;
    if (endMarkDue && !blocked) {
      endMarkDue = false;
      write(frames.bookmark(startRevision, true));
    }
    if (blocked || queue.length === 0 || endMarkDue) return;
    const waiting = queue;
    queue = [];
    queuedBytes = 0;
    write(waiting.length === 1 && waiting[0] !== undefined ? waiting[0] : Buffer.concat(waiting));
  }

  function enqueue(frame: Buffer): void {
    queue.push(frame);
    queuedBytes += frame.length;
    if (queuedBytes > limits.watchBufferBytes) {
      context.logger.warn("A watch reads too slowly; closed it", {
        resource: target.kind.collection,
        waitingBytes: queuedBytes,
      });
      release();
      response.destroy();
      return;
    }
    // Several writes of one turn leave as one chunk.
    if (queue.length === 1 && !blocked) setImmediate(pump);
  }

  return {
    push(event) {
      if (closed || event.revision <= after) return;
      const type = typeFor(event, selection);
      if (type !== undefined) enqueue(frames.event(type, event));
    },
    follow(end) {
      if (closed) end();
      else unsubscribe = end;
    },
    fail(frame) {
      enqueue(frame);
      close();
    },
  };
}

/** What an event means to a watch that sees only what its selection matches. */
function typeFor({ type, entry, previous }: StoreEvent, { match }: Selection): EventType | undefined {
  if (match === undefined) return type;
  const before = previous !== undefined && match(previous.object);
  if (type === "DELETED") return before ? "DELETED" : undefined;
  const now = match(entry.object);
  if (now) return before ? "MODIFIED" : "ADDED";
  return before ? "DELETED" : undefined;
}
