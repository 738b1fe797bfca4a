/**
 * A server's capabilities on their way to the client, wherever it tells them: in the greeting, in CAPABILITY, in the
 * completion of a command (RFC 9051 7.1, 7.2.2). What has to do with TLS and logins is postern's to say where TLS ends
 * here; words are left out or put at the end, and nothing else changes.
 */
import { bytesOf, textOf } from "../lines.ts";

/** What the client is to see of TLS and logins; `server`: what the server says of it holds. */
export interface Offer {
  readonly startTls: "server" | "offered" | "hidden";
  readonly logins: "server" | "enabled" | "disabled";
}

const list = /^((?:\*|[^ *+]+) (?:CAPABILITY |OK \[CAPABILITY ))([^\]\r\n]*)(\].*|)\r?\n$/i;

/** The response as the client may see it: the very same where nothing has to change. */
export function shown(response: Uint8Array, offer: Offer): Uint8Array {
  const text = textOf(response);
  const [, head, capabilities, tail] = list.exec(text) ?? [];
  if (head === undefined || capabilities === undefined) return response;
  const words = capabilities.split(" ").filter((word) => word !== "");
  const kept = words.filter((word) => !isHidden(word.toUpperCase(), offer));
  const listed = new Set(kept.map((word) => word.toUpperCase()));
  const added = additions(offer).filter((word) => !listed.has(word));
  if (kept.length === words.length && added.length === 0) return response;
  return bytesOf(`${head}${[...kept, ...added].join(" ")}${tail}\r\n`);
}

function isHidden(word: string, { startTls, logins }: Offer): boolean {
  if (word === "STARTTLS") return startTls === "hidden";
  if (word === "LOGINDISABLED") return logins === "enabled";
  return logins === "disabled" && (word === "SASL-IR" || word.startsWith("AUTH="));
}

function additions({ startTls, logins }: Offer): readonly string[] {
  return [
    ...(startTls === "offered" ? ["STARTTLS"] : []),
    ...(logins === "disabled" ? ["LOGINDISABLED"] : []),
  ];
}
