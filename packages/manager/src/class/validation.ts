import type { Provider } from "../api/provider.ts";
import type { VMClass } from "../api/vm-class.ts";
import { ManagerError } from "../error.ts";
import { parseMebibytes, parseGibibytes } from "../quantity.ts";

const firmwares = ["BIOS", "UEFI", "EFI"];

/** Everything that keeps any machine from being made of a class, each as a person would fix it. Pure. */
export function classProblems({ spec }: VMClass): string[] {
  const problems: string[] = [];
  const read = (parse: () => number): number | undefined => {
    try {
      return parse();
    } catch (thrown) {
      if (!(thrown instanceof ManagerError)) throw thrown;
      problems.push(thrown.message);
      return undefined;
    }
  };
  const { diskDefaults, firmware = "BIOS", resourceLimits: limits = {}, securityProfile: security = {} } = spec;
  const memory = read(() => parseMebibytes(spec.memory, "spec.memory"));
  const { size } = diskDefaults ?? {};
  if (size !== undefined) read(() => parseGibibytes(size, "spec.diskDefaults.size"));
  const { memoryLimit, memoryReservation, cpuLimit, cpuReservation } = limits;
  const limit =
    memoryLimit === undefined ? undefined : read(() => parseMebibytes(memoryLimit, "spec.resourceLimits.memoryLimit"));
  const reserved =
    memoryReservation === undefined
      ? undefined
      : read(() => parseMebibytes(memoryReservation, "spec.resourceLimits.memoryReservation"));
  if (memory !== undefined && limit !== undefined && limit < memory) {
    problems.push(`spec.resourceLimits.memoryLimit is ${memoryLimit}; it must be at least spec.memory, ${spec.memory}`);
  }
  if (memory !== undefined && reserved !== undefined && reserved > memory) {
    problems.push(
      `spec.resourceLimits.memoryReservation is ${memoryReservation}; it must be at most spec.memory, ${spec.memory}`,
    );
  }
  if (cpuLimit !== undefined && cpuReservation !== undefined && cpuReservation > cpuLimit) {
    problems.push(`spec.resourceLimits.cpuReservation is ${cpuReservation}; it must be at most cpuLimit, ${cpuLimit}`);
  }
  if (!firmwares.includes(firmware.toUpperCase())) {
    problems.push(`spec.firmware is ${JSON.stringify(firmware)}; write ${firmwares.join(" or ")}`);
  }
  if (firmware.toUpperCase() === "BIOS" && security.secureBoot === true) {
    problems.push("spec.securityProfile.secureBoot needs spec.firmware UEFI");
  }
  return problems;
}

/** What a Provider may do otherwise than the class says. Pure. */
export function classWarnings({ spec }: VMClass, provider: Provider): string[] {
  const offered = provider.status?.reportedCapabilities?.supportedDiskTypes ?? [];
  const type = spec.diskDefaults?.type;
  if (type === undefined || offered.length === 0 || offered.includes(type)) return [];
  return [`spec.diskDefaults.type ${type} is not among the disk types it offers: ${offered.join(", ")}`];
}
