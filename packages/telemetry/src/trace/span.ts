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
  readonly parent: SpanContext | undefined;
  readonly attributes: Attributes;
  readonly attributeCount: number;
  readonly droppedAttributes: number;
  readonly links: readonly Link[] | undefined;
  readonly startTime: TimeInput | undefined;
}

const unset: SpanStatus = Object.freeze({ code: SpanStatusCode.UNSET });

/**
 * A recording span, the official SDK's twin in all that is seen of it. Spans live until their batch is exported, and there are many: what
 * most never have (events, links) is made when it is first needed, and times become pairs when they are read.
 */
export class RecordingSpan implements Span {
  name: string;
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  status: SpanStatus = unset;
  readonly #origin: SpanOrigin;
  readonly #context: SpanContext;
  readonly #parent: SpanContext | undefined;
  readonly #offsetMs: number;
  /** Of `performance.now()`, or what the caller gave. */
  readonly #start: number | HrTime;
  #end: number | HrTime | undefined;
  #ended = false;
  #attributeCount: number;
  #droppedAttributes: number;
  #events: TimedEvent[] | undefined;
  #droppedEvents = 0;
  #links: Link[] | undefined;
  #droppedLinks = 0;

  constructor(origin: SpanOrigin, beginning: SpanBeginning) {
    const now = performance.now();
    this.name = beginning.name;
    this.kind = beginning.kind;
    this.attributes = beginning.attributes;
    this.#origin = origin;
    this.#context = beginning.context;
    this.#parent = beginning.parent;
    this.#offsetMs = wallOffsetMs(now);
    this.#start = beginning.startTime === undefined ? now : (toTime(beginning.startTime) ?? now);
    this.#attributeCount = beginning.attributeCount;
    this.#droppedAttributes = beginning.droppedAttributes;
    const { links } = beginning;
    if (links !== undefined && links.length > 0) {
      const { linkCountLimit } = origin.limits;
      this.#links = linkCountLimit === 0 ? [] : links.slice(-linkCountLimit);
      this.#droppedLinks = links.length - this.#links.length;
    }
  }

  get parentSpanContext(): SpanContext {
    // The official type leaves it out where there is none, which a getter cannot.
    return this.#parent as SpanContext;
  }

  get resource(): Resource {
    return this.#origin.resource;
  }

  get instrumentationScope(): InstrumentationScope {
    return this.#origin.instrumentationScope;
  }

  get startTime(): HrTime {
    return this.#hrTime(this.#start);
  }

  /** `[0, 0]` before the end. */
  get endTime(): HrTime {
    return this.#end === undefined ? [0, 0] : this.#hrTime(this.#end);
  }

  /** `[-1, -1]` before the end. */
  get duration(): HrTime {
    return this.#end === undefined ? [-1, -1] : hrTimeDuration(this.startTime, this.endTime);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get events(): TimedEvent[] {
    return this.#events ?? [];
  }

  get links(): Link[] {
    return this.#links ?? [];
  }

  get droppedAttributesCount(): number {
    return this.#droppedAttributes;
  }

  get droppedEventsCount(): number {
    return this.#droppedEvents;
  }

  get droppedLinksCount(): number {
    return this.#droppedLinks;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return !this.#ended;
  }

  setAttribute(key: string, value: AttributeValue): this {
    if (this.#isOver()) return this;
    switch (writeAttribute(this.attributes, this.#attributeCount, key, value, this.#origin.limits)) {
      case "added":
        this.#attributeCount++;
        break;
      case "dropped":
        if (this.#droppedAttributes++ === 0) this.#warn("has no room for more attributes, the limit is reached");
        break;
      case "replaced":
      case "left out":
    }
    return this;
  }

  setAttributes(attributes: Attributes): this {
    for (const [key, value] of Object.entries(attributes)) this.setAttribute(key, value);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (this.#isOver()) return this;
    const { eventCountLimit, attributePerEventCountLimit, attributeValueLengthLimit } = this.#origin.limits;
    const attributes = isTimeInput(attributesOrTime) ? undefined : attributesOrTime;
    const at = isTimeInput(attributesOrTime) && !isTimeInput(time) ? attributesOrTime : time;
    if (eventCountLimit === 0) {
      this.#droppedEvents++;
      return this;
    }
    const events = (this.#events ??= []);
    if (events.length >= eventCountLimit) {
      if (this.#droppedEvents++ === 0) this.#warn("loses its oldest events, the limit is reached");
      events.shift();
    }
    events.push({
      name,
      time: this.#hrTime(toTime(at) ?? performance.now()),
      ...cleanSimpleAttributes(attributes, {
        attributeCountLimit: attributePerEventCountLimit,
        attributeValueLengthLimit,
      }),
    });
    return this;
  }

  addLink(link: Link): this {
    if (this.#isOver()) return this;
    const { linkCountLimit } = this.#origin.limits;
    if (linkCountLimit === 0) {
      this.#droppedLinks++;
      return this;
    }
    const links = (this.#links ??= []);
    if (links.length >= linkCountLimit) {
      if (this.#droppedLinks++ === 0) this.#warn("loses its oldest links, the limit is reached");
      links.shift();
    }
    links.push(cleanLink(link, this.#origin.limits));
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  setStatus(status: SpanStatus): this {
    if (this.#isOver() || status.code === SpanStatusCode.UNSET || this.status.code === SpanStatusCode.OK) return this;
    const { code, message } = status;
    const isText = typeof message === "string";
    if (code === SpanStatusCode.ERROR && message !== undefined && !isText) {
      this.#warn(`has a status whose message is no text but ${typeof message}`);
    }
    this.status = code === SpanStatusCode.ERROR && isText ? { code, message } : { code };
    return this;
  }

  updateName(name: string): this {
    if (!this.#isOver()) this.name = name;
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
    } else this.#warn("was given an exception with neither name nor message");
  }

  end(time?: TimeInput): void {
    if (this.#ended) {
      diag.error(`span ${this.name} (${this.#context.traceId}-${this.#context.spanId}) was ended twice`);
      return;
    }
    this.#end = (time === undefined ? undefined : toTime(time)) ?? performance.now();
    if (isBefore(this.#end, this.#start) ?? hrTimeDuration(this.startTime, this.endTime)[0] < 0) {
      this.#warn("was given an end before its start; it ends when it started");
      this.#end = this.#start;
    }
    this.#origin.events.onEnding(this);
    this.#ended = true;
    this.#origin.events.onEnd(this);
  }

  #hrTime(time: number | HrTime): HrTime {
    return typeof time === "number" ? toHrTime(time, this.#offsetMs) : time;
  }

  #isOver(): boolean {
    if (this.#ended) this.#warn("has ended and takes no more changes");
    return this.#ended;
  }

  #warn(what: string): void {
    diag.warn(`span ${this.name} (${this.#context.traceId}-${this.#context.spanId}) ${what}`);
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
