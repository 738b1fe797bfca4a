/**
 * Debian's Chromium without a window, as far as a test of a page needs it: open a file as one sees it on some screen, ask
 * in it, take its picture. It speaks the DevTools protocol over a WebSocket on loopback.
 *
 * Chromium is the test's child, with a directory of its own for all that it keeps, and asks nobody for anything.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Test } from "tap";
import { makeDirectory, startChild, until } from "./process.ts";

/** A page is up within a second; a busy machine gets this long. */
const answerMsMax = 20_000;

const switches = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];

export interface View {
  readonly width: number;
  readonly scheme: "light" | "dark";
  readonly media: "screen" | "print";
}

interface BrowserPage {
  show(view: View): Promise<void>;
  /** The value of an expression, which may be a promise; it has to be plain data. */
  evaluate(expression: string): Promise<unknown>;
  /** The whole page, as PNG. */
  screenshot(path: string): Promise<void>;
  /** What went wrong in it so far: the console's errors, exceptions, what its policy forbade. */
  readonly errors: readonly string[];
  /** The addresses of all that it asked for so far, itself included. */
  readonly requests: readonly string[];
}

export interface Browser {
  open(path: string): Promise<BrowserPage>;
}

export async function startChromium(t: Test): Promise<Browser> {
  const home = makeDirectory(t, "chromium");
  startChild(t, ["/usr/bin/chromium", ...switches, `--user-data-dir=${home}`, "about:blank"], { HOME: home });
  const port = join(home, "DevToolsActivePort");
  const [number, path] = await until("Chromium's port", () => {
    const lines = existsSync(port) ? readFileSync(port, "latin1").split("\n") : [];
    return lines.length > 1 ? lines : null;
  });
  const devtools = new DevTools(new WebSocket(`ws://127.0.0.1:${number}${path}`));
  t.teardown(() => devtools.close());
  await devtools.opened;
  return { open: (path) => openPage(devtools, path) };
}

async function openPage(devtools: DevTools, path: string): Promise<BrowserPage> {
  const errors: string[] = [];
  const requests: string[] = [];
  let isLoaded = false;
  const created = await devtools.ask("Target.createTarget", { url: "about:blank" });
  const attached = await devtools.ask("Target.attachToTarget", { targetId: created.targetId, flatten: true });
  const sessionId = String(attached.sessionId);
  devtools.listen(sessionId, (method, parameters) => {
    if (method === "Page.loadEventFired") isLoaded = true;
    if (method === "Network.requestWillBeSent") requests.push(String(recordOf(parameters.request).url));
    if (method === "Runtime.exceptionThrown") errors.push(JSON.stringify(parameters.exceptionDetails));
    if (method === "Log.entryAdded") errors.push(String(recordOf(parameters.entry).text));
    if (method === "Runtime.consoleAPICalled") errors.push(JSON.stringify(parameters.args));
  });
  const ask = (method: string, parameters: object = {}) => devtools.ask(method, parameters, sessionId);
  for (const domain of ["Page", "Network", "Runtime", "Log"]) await ask(`${domain}.enable`);
  await ask("Page.navigate", { url: pathToFileURL(path).href });
  await until("the page", () => isLoaded);
  return {
    errors,
    requests,
    async show({ width, scheme, media }) {
      const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: false };
      await ask("Emulation.setDeviceMetricsOverride", metrics);
      const features = [{ name: "prefers-color-scheme", value: scheme }];
      await ask("Emulation.setEmulatedMedia", { media, features });
    },
    async evaluate(expression) {
      const asked = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await ask("Runtime.evaluate", asked);
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return recordOf(result).value;
    },
    async screenshot(path) {
      const { data } = await ask("Page.captureScreenshot", { captureBeyondViewport: true });
      writeFileSync(path, Buffer.from(String(data), "base64"));
    },
  };
}

type Json = Readonly<Record<string, unknown>>;
type Listener = (method: string, parameters: Json) => void;

/** Questions with numbers, their answers, and events by session. */
class DevTools {
  readonly opened: Promise<void>;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Json) => void>();
  readonly #listeners = new Map<string, Listener>();
  #asked = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.opened = new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error("Chromium takes no WebSocket")));
    });
    socket.addEventListener("message", ({ data }) => this.#take(recordOf(JSON.parse(String(data)))));
  }

  listen(sessionId: string, listener: Listener): void {
    this.#listeners.set(sessionId, listener);
  }

  async ask(method: string, parameters: object, sessionId?: string): Promise<Json> {
    const id = ++this.#asked;
    const answered = new Promise<Json>((resolve, reject) => {
      const late = () => reject(new Error(`Chromium does not answer ${method}`));
      const timer = setTimeout(late, answerMsMax);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
    this.#socket.send(JSON.stringify({ id, method, params: parameters, sessionId }));
    const { error, result } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return recordOf(result);
  }

  close(): void {
    this.#socket.close();
  }

  #take(message: Json): void {
    const { id, method, params, sessionId } = message;
    if (typeof id === "number") {
      this.#waiting.get(id)?.(message);
      this.#waiting.delete(id);
    } else if (typeof method === "string" && typeof sessionId === "string") {
      this.#listeners.get(sessionId)?.(method, recordOf(params));
    }
  }
}

function recordOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
