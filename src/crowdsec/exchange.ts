/** What those who tell LAPI something have in common: whom they ask, and how trouble with it is told. */
import type { Answer, Lapi } from "./lapi.ts";

/** As much of LAPI as they need. */
export type Exchange = Pick<Lapi, "get" | "post">;

/** Where it is told what happened, one line for each event. */
export type Tell = (level: "info" | "warn", event: string, fields: Readonly<Record<string, unknown>>) => void;

export const json = { "content-type": "application/json" } as const;

export function hasStatus(answer: Answer, status: number): boolean {
  return "status" in answer && answer.status === status;
}

/** What goes wrong over and over: each kind is told once, until all is well again. */
export class Trouble {
  readonly #name: string;
  readonly #tell: Tell;
  readonly #told = new Set<string>();

  /** `name` begins its events: `…-failed` and `…-recovered`. */
  constructor(name: string, tell: Tell) {
    this.#name = name;
    this.#tell = tell;
  }

  /** Only the answer's status is told: its body may repeat what was sent. */
  met(answer: Answer): void {
    const [kind, detail] =
      "status" in answer ? ["status", `${answer.status}`] : [answer.failed, answer.detail];
    if (this.#told.has(`${kind} ${detail}`)) return;
    this.#told.add(`${kind} ${detail}`);
    this.#tell("warn", `${this.#name}-failed`, { kind, detail });
  }

  over(): void {
    if (this.#told.size === 0) return;
    this.#told.clear();
    this.#tell("info", `${this.#name}-recovered`, {});
  }
}
