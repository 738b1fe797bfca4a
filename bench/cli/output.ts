/** Where reports go: a table for people or a line for machines to standard output, and files as they are asked for. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { errorCode } from "../../src/files.ts";
import { OPTIONS } from "../options.ts";
import type { Medium } from "../report/text.ts";
import { Unable } from "./command.ts";
import type { Given } from "./given.ts";

/** What a report is, in each form that may be wanted. */
export interface Report {
  text(to: Medium): string;
  json(): string;
  html(): string;
}

/** Finds out now what would be a pity to find out after a run. */
export function checkWritable(given: Given): void {
  for (const file of filesOf(given)) attempt(file, () => closeSync(openSync(file, "a")));
}

/** A machine's report on standard output stands there alone. */
export function deliver(given: Given, report: Report): void {
  const { stdout } = process;
  const [json, html] = [given.find(OPTIONS.json), given.find(OPTIONS.html)];
  if (json === "") stdout.write(report.json());
  else stdout.write(report.text(mediumOf(stdout)));
  if (json) attempt(json, () => writeFileSync(json, report.json()));
  if (html !== null) attempt(html, () => writeFileSync(html, report.html()));
}

function mediumOf(stream: NodeJS.WriteStream): Medium {
  if (!stream.isTTY) return "file";
  return stream.hasColors() ? "terminal" : "plain";
}

function filesOf(given: Given): string[] {
  const asked = [given.find(OPTIONS.json), given.find(OPTIONS.html)];
  return asked.filter((file) => file !== null).filter((file) => file !== "");
}

function attempt(file: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw new Unable(`${file} cannot be written (${errorCode(error)})`);
  }
}
