/**
 * The settings of `crowdsec`: LAPI, how postern shows itself to it, and what becomes of the decisions that it gives. A part
 * of the table in `schema.ts`; what two of them say together is checked in `checks.ts`.
 */
import * as z from "zod";
import { duration, durationOrZero, network, path, secret } from "./fields.ts";

const URL_FORM = "must be an http or https URL without user, query and fragment, like http://127.0.0.1:8080";

/** Without a slash at the end, so that paths can be put behind it. */
const lapiUrl = z.string().transform((text, context) => {
  // The class would take `http:host` and blanks, too.
  const url = /^https?:\/\/\S+$/i.test(text) ? URL.parse(text) : null;
  if (url !== null && `${url.username}${url.password}${url.search}${url.hash}` === "") {
    return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
  }
  context.addIssue(URL_FORM);
  return z.NEVER;
});

/** What a decision's origin may be, in LAPI's own list of them and in the names that people give. */
const origin = z.string().regex(/^[A-Za-z0-9_:.-]{1,64}$/, {
  error: "an origin has up to 64 letters, digits, underscores, colons, dots and dashes",
});

const tls = z.strictObject({
  cert: path.nullable().prefault(null).describe("A PEM file: the certificate that takes the key's place."),
  key: path.nullable().prefault(null).describe("A PEM file: its private key, without a passphrase."),
  ca: path
    .nullable()
    .prefault(null)
    .describe("A PEM file with the authorities that LAPI has to be vouched for by. null: the system's."),
});

const alerts = z.strictObject({
  machineId: z.string().min(1).max(255).describe("The machine's name, as cscli machines add was given it."),
  password: secret.nullable().prefault(null).describe("Its password."),
  passwordFile: path.nullable().prefault(null).describe("A file with its password, one line."),
});

export const crowdsec = z.strictObject({
  url: lapiUrl.describe("Where LAPI is: an http or https URL, with a path where it has one."),
  apiKey: secret
    .nullable()
    .prefault(null)
    .describe("The bouncer's key. One of apiKey, apiKeyFile and tls.cert is needed."),
  apiKeyFile: path.nullable().prefault(null).describe("A file with the bouncer's key, one line."),
  tls: tls
    .nullable()
    .prefault(null)
    .describe("For an https url: a client certificate in place of a key, and whom to believe."),
  updateFrequency: duration({
    min: "1s",
    max: "1h",
    says: "How long after one answer of LAPI's the next is asked for.",
  }).prefault("10s"),
  neverBan: z
    .array(network)
    .prefault([])
    .describe("Networks that no decision is obeyed for. Those that may send PROXY headers never are banned."),
  onFailure: z
    .enum(["open", "closed"])
    .prefault("open")
    .describe("While no list was ever received: open lets everybody in, closed nobody."),
  requireList: z.boolean().prefault(false).describe("/readyz says 503 until a list was received."),
  origins: z
    .array(origin)
    .prefault([])
    .describe("Whose decisions are asked for: crowdsec, cscli, CAPI, lists and others. Empty: everybody's."),
  closeSessions: z
    .boolean()
    .prefault(true)
    .describe("Open sessions of a client that becomes banned are ended."),
  otherTypes: z
    .enum(["ignore", "ban", "tarpit"])
    .prefault("ignore")
    .describe(
      "What decisions come to that are of another type than ban, as captcha, which mail cannot show.",
    ),
  usageMetricsInterval: durationOrZero({
    max: "24h",
    says: "How often LAPI is told what was refused; 0 = off.",
  }).prefault("15m"),
  cache: path
    .nullable()
    .prefault(null)
    .describe("A file that keeps the last list, for a start while LAPI is away. null: none."),
  alerts: alerts
    .nullable()
    .prefault(null)
    .describe("The machine by whose name alerts are pushed to LAPI. null: none are."),
});

export type CrowdsecSettings = z.output<typeof crowdsec>;
