/**
 * Numbers that stand for a client and for a server's name. They are spread evenly, and are the same in all threads,
 * processes and replicas, so that all of them send a client to the same server.
 *
 * No secret keys them: a client that picks its address to land on a certain server has gained nothing.
 */
import type { Address } from "../address.ts";

/** An IPv6 client has a network, and may change its address in it at will. */
const IPV6_CLIENT_BITS = 64;

/** A client as `source` knows it. */
export function clientHash(client: Address): number {
  const { a, b, c, d } = client.family === 4 ? client : client.prefix(IPV6_CLIENT_BITS);
  return mixed(mixed(mixed(mixed(0, a), b), c), d);
}

export function textHash(text: string): number {
  let hash = text.length;
  for (let index = 0; index < text.length; index++) hash = mixed(hash, text.charCodeAt(index));
  return hash;
}

/** Both, so that each bit of either may change each bit of the result: from 0 to 2^32-1. */
export function mixed(hash: number, word: number): number {
  let bits = Math.imul(hash, 0x9e3779b1) ^ word;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}
