import { encodeCreateDocuments, encodeDesiredVm, PowerOp } from "@almanac/provider";
import type { DesiredVmJson, RequestInit } from "@almanac/provider";
import type { Desired } from "./desired.ts";
import type { PowerAction } from "./journal.ts";
import type { UserData } from "./user-data.ts";

const encoder = new TextEncoder();

/** The CreateVM request of a machine. Lists without an element travel as absent, as VirtRigaud's manager writes them. */
export function createRequest(desired: Desired, userData: UserData): RequestInit<"createVM"> {
  return {
    name: desired.name,
    userData: encoder.encode(userData.text),
    metaData: encoder.encode(userData.metaData),
    tags: [...desired.tags],
    ...encodeCreateDocuments({
      class: desired.class,
      ...(desired.image === undefined ? {} : { image: desired.image }),
      ...(desired.networks.length === 0 ? {} : { networks: desired.networks }),
      ...(desired.disks.length === 0 ? {} : { disks: desired.disks }),
      ...(desired.placement === undefined ? {} : { placement: desired.placement }),
    }),
  };
}

/** The ReconfigureVM request: the whole machine as wished. */
export function reconfigureRequest(id: string, desired: Desired, userData: UserData): RequestInit<"reconfigureVM"> {
  const document: DesiredVmJson = {
    Name: desired.name,
    Class: desired.class,
    ...(desired.image === undefined ? {} : { Image: desired.image }),
    Networks: desired.networks,
    Disks: desired.disks,
    ...(userData.text === "" ? {} : { UserData: { CloudInitData: userData.text, Type: userData.type } }),
    ...(userData.metaData === "" ? {} : { MetaData: { MetaDataYAML: userData.metaData } }),
    ...(desired.placement === undefined ? {} : { Placement: desired.placement }),
    Tags: desired.tags,
  };
  return { id, ...encodeDesiredVm(document) };
}

const powerOps: Readonly<Record<PowerAction, PowerOp>> = {
  On: PowerOp.ON,
  Off: PowerOp.OFF,
  ShutdownGraceful: PowerOp.SHUTDOWN_GRACEFUL,
};

export function powerRequest(id: string, action: PowerAction, gracefulMs: number): RequestInit<"powerVM"> {
  return {
    id,
    op: powerOps[action],
    // A field of whole seconds in which 0 means "not given".
    gracefulTimeoutSeconds: action === "ShutdownGraceful" ? Math.max(1, Math.ceil(gracefulMs / 1000)) : 0,
  };
}

/** A provider's word for a power state in ours; undefined for one that is not known. */
export function powerStateOf(text: string): "On" | "Off" | "Suspended" | undefined {
  switch (text.toLowerCase()) {
    case "on":
    case "poweredon":
    case "running":
      return "On";
    case "off":
    case "poweredoff":
    case "shutoff":
    case "stopped":
      return "Off";
    case "suspended":
    case "paused":
    case "pmsuspended":
      return "Suspended";
    default:
      return undefined;
  }
}
