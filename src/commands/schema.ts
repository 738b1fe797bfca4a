/** `postern schema`: prints the configuration's JSON Schema, for editors that complete and check as one writes. */
import { jsonSchema } from "../config/schema.ts";
import { exitCodes, parseOptions } from "./command.ts";

export async function schema(args: string[]): Promise<number> {
  parseOptions("schema", args, {});
  process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return exitCodes.well;
}
