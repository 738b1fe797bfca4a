/**
 * The line that tells a Postfix who the client is: its XCLIENT command (Postfix's XCLIENT_README). Only text; when it is
 * said, and what is made of the answer, is in `introduce.ts`.
 */
import type { Address } from "../address.ts";
import type { Introduction } from "../dialogue.ts";

/**
 * The whole command, with those attributes that the server has offered. ADDR stands last, because the server judges what
 * follows by the new address. The line is 137 bytes at most with IPv4, and far below the 512 that it may have with IPv6
 * too: two addresses of 39 bytes, two ports and the names.
 */
export function xclientLine({ client, destination }: Introduction, offered: ReadonlySet<string>): string {
  const attributes: [name: string, value: string][] = [
    ["NAME", "[UNAVAILABLE]"],
    ["PORT", String(client.port)],
    ["DESTADDR", addressValue(destination.address)],
    ["DESTPORT", String(destination.port)],
    ["ADDR", addressValue(client.address)],
  ];
  const words = attributes
    .filter(([name]) => offered.has(name))
    .map(([name, value]) => `${name}=${xtext(value)}`);
  return `XCLIENT ${words.join(" ")}\r\n`;
}

function addressValue(address: Address): string {
  return address.family === 6 ? `IPV6:${address.text}` : address.text;
}

/** RFC 3461 4: whatever is not printable, and `+` and `=`, as `+` and two hex digits. */
export function xtext(value: string): string {
  return Buffer.from(value)
    .toString("latin1")
    .replace(/[^!-~]|[+=]/g, (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}
