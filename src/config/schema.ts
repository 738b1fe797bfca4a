/**
 * Every setting, once: its type, default, bounds and one sentence. What the file may say, what `postern schema` prints and
 * what the rest of the configuration's code works with all come from this table.
 *
 * Those of `crowdsec` stand in `crowdsec.ts`, those of a pool in `pools.ts`. Owns no check that needs more than one setting; see `checks.ts`. A key that stands here is honoured by the code; every
 * other key is an error.
 */
import * as z from "zod";
import { crowdsec } from "./crowdsec.ts";
import {
  COUNTER_MAX,
  count,
  duration,
  hostName,
  listenAddress,
  name,
  network,
  path,
  stockDestination,
} from "./fields.ts";
import { pool } from "./pools.ts";

/** Each thread has a column of its own in the shared table, so that their number is memory. */
export const THREADS_MAX = 64;

/** Spelled out in either case: a header that is believed by accident lets anybody be anybody. */
const proxy = z
  .discriminatedUnion(
    "mode",
    [
      z.strictObject({
        mode: z.literal("required").describe("Every connection begins with a PROXY v2 header."),
        from: z
          .array(network)
          .min(1)
          .describe("The networks that may connect and send a header; all others are closed at once."),
        timeout: duration({
          min: "100ms",
          max: "60s",
          says: "How long the header may take to arrive.",
        }).prefault("3s"),
      }),
      z.strictObject({
        mode: z.literal("off").describe("Clients connect directly; the socket's far end is the client."),
      }),
    ],
    {
      error: ({ input }) =>
        input === undefined || typeof input === "object"
          ? undefined
          : "must be { mode: required, from: [...] } or { mode: off }",
    },
  )
  .describe("Whether connections begin with a PROXY header. There is no default and no guessing.");

/** A line of a reply: nothing in it ends the line, and all of it arrives as it was written. */
const banText = z.string().regex(/^(?! )[\x20-\x7e]{1,200}(?<! )$/, {
  error: "must be one line of at most 200 plain characters, with no blank at its ends",
});

const ban = z
  .strictObject({
    action: z
      .enum(["reply", "drop", "tarpit"])
      .prefault("reply")
      .describe(
        "reply: a refusal in the protocol's words. drop: the end, without a word. tarpit: nothing for a while, then the refusal.",
      ),
    text: banText
      .nullable()
      .prefault(null)
      .describe("What the refusal says behind its code. null: postern's own words."),
  })
  .describe("What a banned client gets.");

/** The defaults are what the server behind would do by itself. */
const smtp = z
  .strictObject({
    earlyTalk: z
      .enum(["pass", "refuse"])
      .prefault("pass")
      .describe(
        "A client that speaks before the greeting: pass leaves it to the server, as postscreen wants it.",
      ),
    bareNewline: z
      .enum(["reject", "close"])
      .prefault("reject")
      .describe(
        "A CR or LF that stands alone: reject refuses the message at its end, as Postfix does; close ends the session at once.",
      ),
    authOnlyOverTls: z
      .boolean()
      .prefault(true)
      .describe(
        "No login before TLS, where TLS ends here or the server is spoken to in TLS. It is neither offered nor passed on.",
      ),
  })
  .describe("What is done about clients that break SMTP's rules. For protocol smtp only.");

export const listener = z.strictObject({
  listen: z
    .union([listenAddress.transform((endpoint) => [endpoint]), z.array(listenAddress).min(1)])
    .describe("IP:port, or a list of them; [::]:2525 for IPv6, port 0 for any free port."),
  protocol: z
    .enum(["smtp", "imap", "tcp"])
    .describe("What is spoken: smtp and imap can be refused in their own words; tcp is not looked into."),
  proxy,
  tls: z
    .enum(["off", "starttls", "passthrough", "implicit"])
    .prefault("off")
    .describe(
      "off: a cleartext port, STARTTLS passes through. starttls: a cleartext port, STARTTLS ends here. passthrough: implicit TLS, passed through unread. implicit: implicit TLS, which ends here.",
    ),
  ban: ban.prefault({}),
  smtp: smtp.prefault({}),
  pool: name.describe("The name of the pool that connections go to."),
  limits: name.prefault("default").describe("The name of the set of limits that clients are held to."),
  idleTimeout: duration({
    min: "1s",
    max: "24h",
    says: "How long a session may be silent in both directions. Default: 5m for smtp, 31m for imap and tcp, where a client may rightly be silent for 29 minutes.",
  }).optional(),
  monitors: z
    .array(network)
    .prefault([])
    .describe(
      "Networks of clients that only check. They are answered here, as a load balancer's checks are, and no server hears of them.",
    ),
});

export const limitSet = z.strictObject({
  timeUnit: duration({
    min: "1s",
    max: "24h",
    says: "The length of the window that events are counted in; whole seconds. As Postfix's anvil_rate_time_unit.",
  })
    .refine((ms) => ms % 1000 === 0, { error: "must be whole seconds" })
    .transform((ms) => ms / 1000)
    .prefault("60s"),
  connectionCount: count({
    min: 0,
    max: COUNTER_MAX,
    says: "Connections of one client at the same time; 0 = off. As Postfix's smtpd_client_connection_count_limit.",
  }).prefault(50),
  connectionRate: count({
    min: 0,
    max: COUNTER_MAX,
    says: "Connections of one client in a window; 0 = off. As Postfix's smtpd_client_connection_rate_limit.",
  }).prefault(0),
  messageRate: count({
    min: 0,
    max: COUNTER_MAX,
    says: "MAIL commands of one client in a window; 0 = off. As Postfix's smtpd_client_message_rate_limit.",
  }).prefault(0),
  recipientRate: count({
    min: 0,
    max: COUNTER_MAX,
    says: "RCPT commands of one client in a window; 0 = off. As Postfix's smtpd_client_recipient_rate_limit.",
  }).prefault(0),
  authRate: count({
    min: 0,
    max: COUNTER_MAX,
    says: "Logins that one client tries in a window: AUTH in SMTP, LOGIN and AUTHENTICATE in IMAP; 0 = off. As Postfix's smtpd_client_auth_rate_limit.",
  }).prefault(0),
  newTlsSessionRate: count({
    min: 0,
    max: COUNTER_MAX,
    says: "New TLS sessions of one client in a window; 0 = off. As Postfix's smtpd_client_new_tls_session_rate_limit.",
  }).prefault(0),
  authFailureRate: count({
    min: 0,
    max: COUNTER_MAX,
    says: "Failed logins of one client in a window, after which it may try no more; 0 = off.",
  }).prefault(0),
  authFailureDelay: duration({
    min: "0s",
    max: "30s",
    says: "How long a session is not heard after its client's first failed login in a window; twice as long after each further one, at most 30s. 0s = off.",
  }).prefault("0s"),
  exceptions: z.array(network).prefault([]).describe("Networks whose clients are never limited."),
  ipv4PrefixLength: count({
    min: 0,
    max: 32,
    says: "How many leading bits of an IPv4 address make one client.",
  }).prefault(32),
  ipv6PrefixLength: count({
    min: 0,
    max: 128,
    says: "How many leading bits of an IPv6 address make one client.",
  }).prefault(64),
  scope: name
    .nullable()
    .prefault(null)
    .describe(
      "Whose counters: listeners with the same scope count together. null: each listener for itself.",
    ),
  dryRun: z.boolean().prefault(false).describe("Count, log and measure, but refuse nothing."),
});

export const tls = z.strictObject({
  certificates: z
    .array(
      z.strictObject({
        cert: path.describe(
          "A PEM file: the server's own certificate, then those that lead to its authority.",
        ),
        key: path.describe("A PEM file: the private key, without a passphrase."),
      }),
    )
    .prefault([])
    .describe(
      "Chosen by the name that a client asks for; the first serves all others. The files are watched, and taken anew when they change.",
    ),
  minVersion: z
    .enum(["TLSv1.2", "TLSv1.3"])
    .prefault("TLSv1.2")
    .describe("The oldest version of TLS that is spoken with clients."),
});

export const log = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]).prefault("info").describe("The least that is logged."),
  destination: z
    .string()
    .min(1)
    .prefault("stdout")
    .describe("stdout, stderr, or the path of a file, which SIGHUP reopens."),
  stockLines: stockDestination
    .nullable()
    .prefault(null)
    .describe(
      "A file, or udp://IP:port, for lines that CrowdSec's stock parsers of Postfix and Dovecot take. null: none.",
    ),
});

export const admin = z.strictObject({
  listen: listenAddress
    .prefault("127.0.0.1:9025")
    .describe("IP:port of metrics, health pages and the /api; port 0 for any free port."),
  tokenFile: path
    .nullable()
    .prefault(null)
    .describe(
      "A file with the token that /api asks for (Bearer). Without one, /api answers on loopback addresses only.",
    ),
  topClients: count({
    min: 0,
    max: 1000,
    says: "How many of the busiest clients have metrics of their own.",
  }).prefault(50),
});

const notEmpty = [
  (entries: object) => Object.keys(entries).length > 0,
  { error: "must have at least one entry" },
] as const;

export const settings = z
  .strictObject({
    hostname: hostName
      .optional()
      .describe("The name in postern's own replies. Default: the system's host name."),
    threads: count({
      min: 1,
      max: THREADS_MAX,
      says: "Data threads, each with an event loop of its own. Default: the number of cores.",
    }).optional(),
    maxConnections: count({
      min: 1,
      max: 1_000_000,
      says: "Connections at the same time, all listeners together.",
    }).prefault(20_000),
    tableSize: count({
      min: 16,
      max: 16_777_216,
      says: "How many clients are remembered; the memory for them is taken at start.",
    }).prefault(65_536),
    drain: duration({
      min: "0s",
      max: "24h",
      says: "How long sessions may go on once the gateway was told to end.",
    }).prefault("30s"),
    listeners: z
      .record(name, listener)
      .refine(...notEmpty)
      .meta({ description: "What the gateway listens on, by name.", minProperties: 1 }),
    pools: z
      .record(name, pool)
      .refine(...notEmpty)
      .meta({ description: "The servers behind the gateway, by name.", minProperties: 1 }),
    limits: z
      .record(name, limitSet)
      .prefault({})
      .describe("Sets of limits, by name. The set default exists even where it is not written."),
    tls: tls.prefault({}).describe("TLS with clients, where it ends here."),
    crowdsec: crowdsec
      .nullable()
      .prefault(null)
      .describe("CrowdSec, whose decisions say who is banned. null: nobody is."),
    log: log.prefault({}).describe("What is logged, and where to."),
    admin: admin.prefault({}).describe("Where metrics, health pages and the /api are served."),
  })
  .describe("The configuration of postern, a mail edge gateway.");

export type Settings = z.output<typeof settings>;
export type ListenerSettings = z.output<typeof listener>;
export type LimitSettings = z.output<typeof limitSet>;

/** The table as JSON Schema (draft 2020-12), for editors. */
export function jsonSchema(): object {
  return z.toJSONSchema(settings, { io: "input" });
}
