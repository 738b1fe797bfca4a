/** The settings of `pools.*.park`: each with its type, default, bounds and one sentence. */
import * as z from "zod";
import { count, duration } from "./fields.ts";

/** Each is a socket and a session, and a client's place in the line is searched for from the line's end. */
const PARKED_MAX = 10_000;

export const park = z
  .strictObject({
    // A client may give up on a greeting after five minutes (RFC 5321 4.5.3.2.1).
    timeout: duration({
      min: "0s",
      max: "5m",
      says: "How long a client waits for a server; 0s = none does.",
    }).prefault("60s"),
    max: count({
      min: 0,
      max: PARKED_MAX,
      says: "How many clients wait at the same time; 0 = none does.",
    }).prefault(500),
    healthchecks: z
      .enum(["up", "down"])
      .prefault("up")
      .describe(
        "What health checks are told while no server is up and clients are kept. up: that, until no more would be. down: that none is.",
      ),
  })
  .describe("Clients are kept, connected and not greeted, while no server is up or all are full.");
