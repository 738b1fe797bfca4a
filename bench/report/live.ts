/**
 * How a run goes, while it does: on a terminal one line that is written over, elsewhere a line about every second.
 *
 * It owns the last sample, and nothing else: no timer, no stream. A line is never wider than the terminal, as one that
 * wraps cannot be written over.
 */
import type { Plan } from "../load/plan.ts";
import type { Sample } from "../load/result.ts";
import { bytesText, countText, figureText, latencyText, plural } from "./units.ts";

export interface Screen {
  readonly isTerminal: boolean;
  /** How wide it is now. */
  columns(): number;
  write(text: string): void;
}

/** Where the line begins, with all that stands in it gone (ECMA-48: carriage return, EL). */
const AGAIN = "\r\x1b[K";

/** Lines of a file, at most one a second: samples come about as often, and a little early is no second line. */
const PLAIN_EVERY_MS = 900;

export class Live {
  readonly #screen: Screen;
  readonly #plan: Plan;
  #last: Sample | null = null;
  #isOver = false;

  constructor(plan: Plan, screen: Screen) {
    this.#screen = screen;
    this.#plan = plan;
  }

  /** Takes `onSample` of a run. */
  show(sample: Sample): void {
    const last = this.#last;
    if (this.#isOver) return;
    const { isTerminal } = this.#screen;
    if (!isTerminal && last !== null && sample.atMs - last.atMs < PLAIN_EVERY_MS) return;
    const line = lineOf(sample, last, this.#plan);
    // In the last column some terminals wrap already.
    const width = Math.max(0, this.#screen.columns() - 1);
    this.#screen.write(isTerminal ? `${AGAIN}${line.slice(0, width)}` : `${line}\n`);
    this.#last = sample;
  }

  /** Leaves the last line standing, and what follows on a line of its own. */
  end(): void {
    if (this.#screen.isTerminal && this.#last !== null && !this.#isOver) this.#screen.write("\n");
    this.#isOver = true;
  }
}

function lineOf(sample: Sample, last: Sample | null, { scenario, durationMs }: Plan): string {
  const { atMs, targetCpu, targetBytes } = sample;
  const parts = [
    // A narrow terminal cuts off the end.
    leftText(durationMs - atMs),
    // An attack has no sessions of the usual kind.
    ...(scenario === "attack" ? [attackText(sample)] : sessionTexts(sample, last)),
    ...(targetCpu === null ? [] : [`CPU ${figureText(targetCpu)}`]),
    ...(targetBytes === null ? [] : [bytesText(targetBytes)]),
  ];
  return parts.join("  ");
}

function sessionTexts(sample: Sample, last: Sample | null): readonly string[] {
  const { atMs, open, failed, turnedAway, p50Us, p99Us } = sample;
  const overMs = atMs - (last?.atMs ?? 0);
  const over = sample.done + turnedAway - (last === null ? 0 : last.done + last.turnedAway);
  return [
    `${figureText(overMs > 0 ? (over * 1000) / overMs : 0)}/s`,
    `${countText(open)} open`,
    ...(turnedAway > 0 ? [`${countText(turnedAway)} turned away`] : []),
    `${countText(failed)} failed`,
    // Where none was done there is no time.
    ...(p50Us === 0 ? [] : [`p50 ${latencyText(p50Us)}`, `p99 ${latencyText(p99Us)}`]),
  ];
}

function attackText({ tricks }: Sample): string {
  return tricks === null
    ? "attacking"
    : `attacking: ${countText(tricks.played)} of ${plural(tricks.of, "trick")}`;
}

/** `1:05 left` */
function leftText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
}
