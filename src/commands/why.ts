/**
 * `postern why ADDRESS`: asks the running gateway why this address is or is not refused, now, and says it in sentences.
 * Nothing is counted by asking.
 */
import { Address } from "../address.ts";
import { isClientAnswer } from "../observe/answer.ts";
import { type Command, exitCodes, parseArguments, UsageError } from "./command.ts";
import { ask, findGateway, runningOptions } from "./running.ts";
import { printable, whyText } from "./whytext.ts";

export const why: Command = async (args) => {
  const { values, positionals } = parseArguments("why", args, {
    ...runningOptions,
    json: { type: "boolean" },
  });
  const address = addressIn(positionals);
  const gateway = await findGateway("why", values);
  if (!gateway.ok) {
    for (const error of gateway.errors) console.error(error);
    return exitCodes.wrong;
  }
  const failed = (trouble: string) => {
    console.error(`postern: why: ${gateway.url} ${printable(trouble)}`);
    return exitCodes.failed;
  };
  const asked = await ask(gateway, `/api/clients/${encodeURIComponent(address.text)}`);
  if (!asked.ok) return failed(asked.trouble);
  const { answer } = asked;
  if (!isClientAnswer(answer)) return failed("answered, but not as this postern does");
  const text = values.json === true ? `${JSON.stringify(answer, null, 2)}\n` : whyText(answer, Date.now());
  process.stdout.write(text);
  return exitCodes.well;
};

function addressIn(words: readonly string[]): Address {
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) throw new UsageError("why: asks about one ADDRESS");
  const address = Address.parse(word);
  if (address === null) throw new UsageError(`why: ${JSON.stringify(word)} is no address`);
  return address;
}
