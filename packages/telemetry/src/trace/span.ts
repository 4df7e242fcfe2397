import { diag, SpanStatusCode } from "@opentelemetry/api";
import type {
  Attributes,
  AttributeValue,
  Context,
  Exception,
  HrTime,
  Link,
  SpanContext,
  SpanKind,
  SpanStatus,
  TimeInput,
} from "@opentelemetry/api";
import {
  cleanAttributes,
  cleanSimpleAttributes,
  hrTimeDuration,
  isTimeInput,
  isTimeInputHrTime,
  millisToHrTime,
} from "@opentelemetry/core";
import type { InstrumentationScope } from "@opentelemetry/core";
import type { Resource } from "@opentelemetry/resources";
import type { Span, SpanLimits, TimedEvent } from "@opentelemetry/sdk-trace";
import {
  ATTR_EXCEPTION_MESSAGE,
  ATTR_EXCEPTION_STACKTRACE,
  ATTR_EXCEPTION_TYPE,
} from "@opentelemetry/semantic-conventions";
import { writeAttribute } from "./attributes.ts";
import { toHrTime, wallOffsetMs } from "./wall-clock.ts";

/** What is to be told of spans that begin and end. */
export interface SpanEvents {
  onStart(span: Span, parent: Context): void;
  onEnding(span: Span): void;
  onEnd(span: Span): void;
}

/** What all spans of a tracer have in common. */
export interface SpanOrigin {
  readonly resource: Resource;
  readonly instrumentationScope: InstrumentationScope;
  readonly limits: Readonly<Required<SpanLimits>>;
  readonly events: SpanEvents;
}

/** A span as it begins; attributes are its own from now on. */
export interface SpanBeginning {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  /** Its ids are known to be valid: they were made here, or were its parent's. */
  readonly hasOwnIds: boolean;
  readonly parent: SpanContext | undefined;
  readonly attributes: Attributes;
  readonly attributeCount: number;
  readonly droppedAttributes: number;
  readonly links: readonly Link[] | undefined;
  readonly startTime: TimeInput | undefined;
}

const unset: SpanStatus = Object.freeze({ code: SpanStatusCode.UNSET });

/**
 * A recording span, the official SDK's twin in what is read of it. Spans live until their batch is exported, and there are many: what most
 * never have (events, links) is made when it is first needed, and times become pairs when they are read. Its fields are private to the
 * compiler alone, since exporters wrap spans in proxies and in objects that inherit from them, e.g. to take secrets out.
 */
export class RecordingSpan implements Span {
  name: string;
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  readonly resource: Resource;
  readonly instrumentationScope: InstrumentationScope;
  readonly hasOwnIds: boolean;
  status: SpanStatus = unset;
  private readonly _origin: SpanOrigin;
  private readonly _context: SpanContext;
  private readonly _parent: SpanContext | undefined;
  private readonly _offsetMs: number;
  /** Of `performance.now()`, or what the caller gave. */
  private readonly _start: number | HrTime;
  private _end: number | HrTime | undefined;
  private _ended = false;
  private _attributeCount: number;
  private _droppedAttributes: number;
  private _events: TimedEvent[] | undefined;
  private _droppedEvents = 0;
  private _links: Link[] | undefined;
  private _droppedLinks = 0;

  constructor(origin: SpanOrigin, beginning: SpanBeginning) {
    const now = performance.now();
    this.name = beginning.name;
    this.kind = beginning.kind;
    this.attributes = beginning.attributes;
    this.resource = origin.resource;
    this.instrumentationScope = origin.instrumentationScope;
    this._origin = origin;
    this._context = beginning.context;
    this.hasOwnIds = beginning.hasOwnIds;
    this._parent = beginning.parent;
    this._offsetMs = wallOffsetMs(now);
    this._start = beginning.startTime === undefined ? now : (toTime(beginning.startTime) ?? now);
    this._attributeCount = beginning.attributeCount;
    this._droppedAttributes = beginning.droppedAttributes;
    const { links } = beginning;
    if (links !== undefined && links.length > 0) {
      const { linkCountLimit } = origin.limits;
      this._links = linkCountLimit === 0 ? [] : links.slice(-linkCountLimit);
      this._droppedLinks = links.length - this._links.length;
    }
  }

  get parentSpanContext(): SpanContext {
    // The official type leaves it out where there is none, which a getter cannot.
    return this._parent as SpanContext;
  }

  get startTime(): HrTime {
    return this._hrTime(this._start);
  }

  /** `[0, 0]` before the end. */
  get endTime(): HrTime {
    return this._end === undefined ? [0, 0] : this._hrTime(this._end);
  }

  /** `[-1, -1]` before the end. */
  get duration(): HrTime {
    return this._end === undefined ? [-1, -1] : hrTimeDuration(this.startTime, this.endTime);
  }

  get ended(): boolean {
    return this._ended;
  }

  get events(): TimedEvent[] {
    return (this._events ??= []);
  }

  get links(): Link[] {
    return (this._links ??= []);
  }

  get droppedAttributesCount(): number {
    return this._droppedAttributes;
  }

  get droppedEventsCount(): number {
    return this._droppedEvents;
  }

  get droppedLinksCount(): number {
    return this._droppedLinks;
  }

  spanContext(): SpanContext {
    return this._context;
  }

  isRecording(): boolean {
    return !this._ended;
  }

  setAttribute(key: string, value: AttributeValue): this {
    if (this._isOver()) return this;
    switch (writeAttribute(this.attributes, this._attributeCount, key, value, this._origin.limits)) {
      case "added":
        this._attributeCount++;
        break;
      case "dropped":
        if (this._droppedAttributes++ === 0) this._warn("has no room for more attributes, the limit is reached");
        break;
      case "replaced":
      case "left out":
    }
    return this;
  }

  setAttributes(attributes: Attributes | null | undefined): this {
    if (attributes === null || attributes === undefined) return this;
    for (const key of Object.keys(attributes)) this.setAttribute(key, attributes[key]);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (this._isOver()) return this;
    const { eventCountLimit, attributePerEventCountLimit, attributeValueLengthLimit } = this._origin.limits;
    const attributes = isTimeInput(attributesOrTime) ? undefined : attributesOrTime;
    const at = isTimeInput(attributesOrTime) && !isTimeInput(time) ? attributesOrTime : time;
    if (eventCountLimit === 0) {
      this._droppedEvents++;
      return this;
    }
    const events = (this._events ??= []);
    if (events.length >= eventCountLimit) {
      if (this._droppedEvents++ === 0) this._warn("loses its oldest events, the limit is reached");
      events.shift();
    }
    events.push({
      name,
      time: this._hrTime(toTime(at) ?? performance.now()),
      ...cleanSimpleAttributes(attributes, {
        attributeCountLimit: attributePerEventCountLimit,
        attributeValueLengthLimit,
      }),
    });
    return this;
  }

  addLink(link: Link): this {
    if (this._isOver()) return this;
    const { linkCountLimit } = this._origin.limits;
    if (linkCountLimit === 0) {
      this._droppedLinks++;
      return this;
    }
    const links = (this._links ??= []);
    if (links.length >= linkCountLimit) {
      if (this._droppedLinks++ === 0) this._warn("loses its oldest links, the limit is reached");
      links.shift();
    }
    links.push(cleanLink(link, this._origin.limits));
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  setStatus(status: SpanStatus): this {
    if (this._isOver() || status.code === SpanStatusCode.UNSET || this.status.code === SpanStatusCode.OK) return this;
    const { code, message } = status;
    const isText = typeof message === "string";
    if (code === SpanStatusCode.ERROR && message !== undefined && !isText) {
      this._warn(`has a status whose message is no text but ${typeof message}`);
    }
    this.status = code === SpanStatusCode.ERROR && isText ? { code, message } : { code };
    return this;
  }

  updateName(name: string): this {
    if (!this._isOver()) this.name = name;
    return this;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    const attributes: Attributes = {};
    if (typeof exception === "string") attributes[ATTR_EXCEPTION_MESSAGE] = exception;
    else if (exception) {
      const type = exception.code ? String(exception.code) : exception.name;
      if (type) attributes[ATTR_EXCEPTION_TYPE] = type;
      if (exception.message) attributes[ATTR_EXCEPTION_MESSAGE] = exception.message;
      if (exception.stack) attributes[ATTR_EXCEPTION_STACKTRACE] = exception.stack;
    }
    if (attributes[ATTR_EXCEPTION_TYPE] !== undefined || attributes[ATTR_EXCEPTION_MESSAGE] !== undefined) {
      this.addEvent("exception", attributes, time);
    } else this._warn("was given an exception with neither name nor message");
  }

  end(time?: TimeInput): void {
    if (this._ended) {
      diag.error(`span ${this.name} (${this._context.traceId}-${this._context.spanId}) was ended twice`);
      return;
    }
    this._end = (time === undefined ? undefined : toTime(time)) ?? performance.now();
    if (isBefore(this._end, this._start) ?? hrTimeDuration(this.startTime, this.endTime)[0] < 0) {
      this._warn("was given an end before its start; it ends when it started");
      this._end = this._start;
    }
    this._origin.events.onEnding(this);
    this._ended = true;
    this._origin.events.onEnd(this);
  }

  private _hrTime(time: number | HrTime): HrTime {
    return typeof time === "number" ? toHrTime(time, this._offsetMs) : time;
  }

  private _isOver(): boolean {
    if (this._ended) this._warn("has ended and takes no more changes");
    return this._ended;
  }

  private _warn(what: string): void {
    diag.warn(`span ${this.name} (${this._context.traceId}-${this._context.spanId}) ${what}`);
  }
}

/** The link with what may stay of its attributes. */
export function cleanLink({ context, attributes }: Link, limits: Required<SpanLimits>): Link {
  const { attributePerLinkCountLimit, attributeValueLengthLimit } = limits;
  const cleaned = cleanAttributes(attributes, {
    attributeCountLimit: attributePerLinkCountLimit,
    attributeValueLengthLimit,
  });
  return { context, ...cleaned };
}

/** Numbers up to the present of `performance.now()` are its times, others milliseconds since 1970. */
function toTime(time: TimeInput | undefined): number | HrTime | undefined {
  if (typeof time === "number") return time <= performance.now() ? time : millisToHrTime(time);
  if (time instanceof Date) return millisToHrTime(time.getTime());
  return isTimeInputHrTime(time) ? time : undefined;
}

/** Undefined where it takes the wall clock to tell. */
function isBefore(end: number | HrTime, start: number | HrTime): boolean | undefined {
  return typeof end === "number" && typeof start === "number" ? end < start : undefined;
}
