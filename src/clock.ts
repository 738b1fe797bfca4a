/**
 * Time as postern counts it: monotonic, never the time of day, and the same in all threads of the process.
 *
 * Whoever judges by time is handed the time or a `Clock`, so that tests move it. `systemClock` is the real one.
 */

export interface Clock {
  /** Whole seconds, as the limits count them. */
  seconds(): number;
  milliseconds(): number;
}

/** Calls somebody back, unless that is taken back before. */
export interface Timers {
  after(milliseconds: number, call: () => void): Cancel;
}

export type Cancel = () => void;

/** They keep no process alive. */
export const systemTimers: Timers = {
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * `performance.now()` costs no allocation but begins at zero in each thread; `process.hrtime` has one origin for the
 * whole system. Both read the same clock, so their difference is taken once; what two threads then differ by is the
 * time between these two calls, some microseconds.
 */
const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  seconds: () => Math.floor((performance.now() + offsetMs) / 1000),
  milliseconds: () => performance.now() + offsetMs,
};
