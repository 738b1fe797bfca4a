/** The machine that figures come from. A figure without it says nothing, so that every report names it. */
import { availableParallelism, cpus, release, type } from "node:os";

export interface Machine {
  /** Those that this process may use. */
  readonly cpus: number;
  /** As the kernel names the first; empty where it names none. */
  readonly model: string;
  /** `Linux 6.12.48`. */
  readonly kernel: string;
  /** `v24.21.0`. */
  readonly node: string;
}

export function thisMachine(): Machine {
  return {
    cpus: availableParallelism(),
    model: cpus()[0]?.model ?? "",
    kernel: `${type()} ${release()}`,
    node: process.version,
  };
}
