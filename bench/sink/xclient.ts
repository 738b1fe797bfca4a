/** What an XCLIENT command says (Postfix's XCLIENT_README): attributes in xtext (RFC 3461 4). */

const NAMES = new Set(["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"]);

const ATTRIBUTE = /^([A-Za-z]+)=((?:[!-*,-<>-~]|\+[0-9A-F]{2})+)$/;

/** By their names in upper case, and addresses without the prefix of their family; null when one is none. */
export function attributesOf(words: string): Record<string, string> | null {
  const attributes: Record<string, string> = {};
  for (const word of words.split(" ")) {
    const [, name = "", value = ""] = ATTRIBUTE.exec(word) ?? [];
    const upper = name.toUpperCase();
    if (!NAMES.has(upper)) return null;
    attributes[upper] = decoded(value).replace(/^IPV6:/i, "");
  }
  return attributes;
}

/** The inverse of `xtext` in src/smtp/xclient.ts. */
function decoded(value: string): string {
  const bytes = value.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString();
}
