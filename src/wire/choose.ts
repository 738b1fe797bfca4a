/** Which of the two ways is behind the wire. */
import { HandleWire } from "./handles.ts";
import { loadLibuv } from "./libuv.ts";
import { SocketWire } from "./sockets.ts";
import type { Wire } from "./wire.ts";

/** libuv's handles where this Node has them, unless `POSTERN_WIRE=net` asks for `node:net`. One wire serves a thread. */
export function chooseWire(environment: NodeJS.ProcessEnv): Wire {
  const libuv = environment.POSTERN_WIRE === "net" ? null : loadLibuv();
  return libuv === null ? new SocketWire() : new HandleWire(libuv);
}
