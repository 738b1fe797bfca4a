/**
 * How a command finds the running gateway and asks it: by its file's `admin.listen`, or by `--admin HOST:PORT`. With both,
 * the file is there for the token. HTTP, one question, one deadline; whatever goes wrong is a value.
 */
import { type Endpoint, endpointText, parseEndpoint } from "../address.ts";
import { fileOption, readConfiguration, UsageError } from "./command.ts";

/** The gateway answers from memory: whoever takes longer than this will not answer at all. */
const TIMEOUT_MS = 5000;

/** The thousand busiest clients are 300 KB; what is longer is no answer of postern's. */
const ANSWER_LENGTH_MAX = 1024 * 1024;

/** A host's name and a port; addresses are `parseEndpoint`'s. */
const namedHost = /^[a-z][a-z0-9.-]{0,252}:\d{1,5}$/i;

export const runningOptions = { ...fileOption, admin: { type: "string" } } as const;

export type Running =
  | { readonly ok: true; readonly url: string; readonly token: string | null }
  | { readonly ok: false; readonly errors: readonly string[] };

export type Asked =
  | { readonly ok: true; readonly answer: unknown }
  /** `trouble` goes behind the gateway's address, as in "cannot be reached (ECONNREFUSED)". */
  | { readonly ok: false; readonly trouble: string };

/** @throws UsageError where neither option leads to a gateway. */
export async function findGateway(
  command: string,
  { config, admin }: { readonly config?: string | undefined; readonly admin?: string | undefined },
): Promise<Running> {
  if (config === undefined && admin === undefined) {
    throw new UsageError(`${command}: -c FILE or --admin HOST:PORT is missing`);
  }
  if (admin !== undefined && parseEndpoint(admin) === null && !namedHost.test(admin)) {
    throw new UsageError(`${command}: --admin: ${JSON.stringify(admin)} is no HOST:PORT`);
  }
  if (config === undefined) return { ok: true, url: `http://${admin}`, token: null };
  const loaded = await readConfiguration(command, config);
  if (!loaded.ok) return loaded;
  const { listen, token } = loaded.configuration.admin;
  if (admin === undefined && listen.port === 0) {
    throw new UsageError(`${command}: the file's admin.listen is any free port: --admin HOST:PORT is needed`);
  }
  return { ok: true, url: `http://${admin ?? endpointText(reachable(listen))}`, token };
}

/** What the gateway says at `path`, or to what is done there. */
export async function ask(
  { url, token }: { readonly url: string; readonly token: string | null },
  path: string,
  method: "GET" | "POST" = "GET",
): Promise<Asked> {
  const failed = (trouble: string): Asked => ({ ok: false, trouble });
  try {
    const response = await fetch(url + path, {
      method,
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await textOf(response);
    const answer = text === null ? null : jsonIn(text);
    if (answer === null) return failed("answered, but not as postern does");
    if (response.status === 200) return { ok: true, answer };
    const error: unknown = Reflect.get(Object(answer), "error");
    return failed(`answered ${response.status}${typeof error === "string" ? `: ${error}` : ""}`);
  } catch (error) {
    return failed(`cannot be reached (${reasonOf(error)})`);
  }
}

/** Where the addresses that stand for all of a machine's can be connected to. */
export function reachable({ host, port }: Endpoint): Endpoint {
  if (host === "0.0.0.0") return { host: "127.0.0.1", port };
  return { host: host === "::" ? "::1" : host, port };
}

/** Null where it is longer than any answer. */
async function textOf(response: Response): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_LENGTH_MAX) return null;
  }
  return text;
}

/** Null where it is none. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** `fetch` hides the system's own word behind one of its own. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${TIMEOUT_MS} ms`;
  if (error.cause !== undefined) return reasonOf(error.cause);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
