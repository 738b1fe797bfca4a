/** What main thread and load threads say to one another. */
import type { RecordableHistogram } from "node:perf_hooks";
import type { Spent } from "../harness/proc.ts";
import type { Share } from "./clients.ts";
import type { Plan } from "./plan.ts";
import type { Sample } from "./result.ts";
import type { Running, TallyData } from "./tally.ts";

export interface WorkerData {
  readonly plan: Plan;
  readonly share: Share;
}

/** - `begin`: sessions. - `stop`: no new ones. - `cut`: at once. */
export type ToWorker = "begin" | "stop" | "cut";

export type FromWorker =
  | { readonly type: "ready" }
  | {
      readonly type: "snapshot";
      readonly counts: Running;
      readonly recent: RecordableHistogram;
      readonly tricks: Sample["tricks"];
    }
  | ({
      readonly type: "over";
      readonly tally: TallyData;
      readonly lateness: RecordableHistogram;
      /** From the beginning until the load stopped. */
    } & Spent);
