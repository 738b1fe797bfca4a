/** A pool's settings: its servers, how they are spoken to, and how it is seen that they are there. */
import * as z from "zod";
import {
  address,
  COUNTER_MAX,
  checkAddress,
  count,
  duration,
  durationOrZero,
  hostName,
  path,
  serverAddress,
} from "./fields.ts";
import { park } from "./park.ts";

const poolTlsModes = z.enum(["off", "starttls", "implicit"]);

/** Towards the servers; a mode alone stands for that mode and nothing else. */
const poolTls = z
  .union([
    z.strictObject({
      mode: poolTlsModes.describe("off: cleartext. starttls: begun by STARTTLS. implicit: TLS comes first."),
      verify: z
        .enum(["none", "ca"])
        .prefault("none")
        .describe("ca: the server has to prove its name; none: any certificate will do."),
      name: hostName
        .nullable()
        .prefault(null)
        .describe("The name that is asked for and verified. null: the server's address."),
      ca: path
        .nullable()
        .prefault(null)
        .describe("A PEM file with the authorities to believe. null: the system's."),
    }),
    poolTlsModes.transform((mode) => ({ mode, verify: "none" as const, name: null, ca: null })),
  ])
  .prefault("off")
  .describe("TLS towards the servers. A server that does not begin it gets no client.");

/** So many times another one's share, at most. */
const WEIGHT_MAX = 256;

/** An address alone stands for a server with nothing special about it. */
const server = z.union([
  z.strictObject({
    address: serverAddress.describe("IP:port, or NAME:port for a server at each of the name's addresses."),
    weight: count({ min: 1, max: WEIGHT_MAX, says: "Its share beside the other servers' weights." }).prefault(
      1,
    ),
    backup: z.boolean().prefault(false).describe("It is used only while no other server can be."),
    maxConnections: count({
      min: 0,
      max: COUNTER_MAX,
      says: "Sessions on it at the same time; 0 = as many as come.",
    }).prefault(0),
  }),
  serverAddress.transform((address) => ({ address, weight: 1, backup: false, maxConnections: 0 })),
]);

/** A check costs a server a process for as long as it takes. */
const HEALTH_INTERVAL_MIN_MS = 100;

/** One that comes and goes is to be noticed soon all the same. */
const STREAK_MAX = 100;

const health = z
  .strictObject({
    interval: durationOrZero({
      max: "1h",
      says: "How long after a check of a server the next one begins; at least 100ms. 0s = no checks.",
    })
      .refine((ms) => ms === 0 || ms >= HEALTH_INTERVAL_MIN_MS, { error: "must be at least 100ms, or 0s" })
      .prefault("10s"),
    timeout: duration({
      min: "100ms",
      max: "5m",
      says: "How long a server may take to begin its greeting.",
    }).prefault("5s"),
    address: checkAddress
      .nullable()
      .prefault(null)
      .describe(
        "IP:port to check instead, or :port for another port of each server. null: where sessions go.",
      ),
    identity: z
      .enum(["proxy-v2", "proxy-v1", "none"])
      .nullable()
      .prefault(null)
      .describe(
        "How the client of a check is told, where address is another kind of port. null: as with sessions.",
      ),
    logIdentity: address
      .prefault("192.0.2.1")
      .describe("Which client a check says that it is, and so how it is known in the servers' logs."),
    rise: count({
      min: 1,
      max: STREAK_MAX,
      says: "So many checks in a row have to succeed until a server that is down counts as up.",
    }).prefault(2),
    fall: count({
      min: 1,
      max: STREAK_MAX,
      says: "So many in a row have to fail until a server that is up counts as down.",
    }).prefault(3),
  })
  .describe("Checks: short conversations by which postern sees whether a server takes sessions.");

export const pool = z.strictObject({
  servers: z
    .array(server)
    .min(1)
    .describe("The servers, each as IP:port, as NAME:port, or with more to say about it."),
  balance: z
    .enum(["roundrobin", "leastconn", "source"])
    .prefault("roundrobin")
    .describe(
      "Which server is next. roundrobin: each in its turn. leastconn: the one with the fewest sessions. source: the same for the same client. All by weight.",
    ),
  identity: z
    .enum(["proxy-v2", "proxy-v1", "xclient", "id", "none"])
    .describe(
      "How the servers learn the client's address: a PROXY header, XCLIENT (smtp), ID (imap), or not at all. There is no default.",
    ),
  tls: poolTls,
  connectTimeout: duration({
    min: "100ms",
    max: "5m",
    says: "How long a connection to a server may take.",
  }).prefault("5s"),
  greetTimeout: duration({
    min: "100ms",
    max: "10m",
    says: "How long, once connected, the server's greeting and the telling of the client's address may take.",
  }).prefault("30s"),
  health: health.prefault({}),
  park: park.prefault({}),
});

export type PoolSettings = z.output<typeof pool>;
