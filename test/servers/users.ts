/** The system users that the servers run as. */
import { execFileSync } from "node:child_process";

/** Throws where the system has no such user: the server's package is missing. */
export function idOf(user: string): { readonly uid: number; readonly gid: number } {
  const number = (option: string) => Number(execFileSync("id", [option, user], { encoding: "utf8" }));
  return { uid: number("-u"), gid: number("-g") };
}
