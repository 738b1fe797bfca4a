/** What becomes of the servers when one gateway takes another's place: what is wanted with them, and who checks them. */
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { makeFile, polite } from "./upgrading.ts";
import { startUpstream } from "./upstream.ts";

const header = proxyHeader("203.0.113.7");

t.test("serve takes over what the operator wants with servers, and checks them alone", async (t) => {
  const [one, other, checked] = [
    await startUpstream(t, { script: polite }),
    await startUpstream(t, { script: polite }),
    await startUpstream(t, { script: polite }),
  ];
  const written = `127.0.0.1:${one.port}`;
  const named = `localhost:${other.port}/127.0.0.1`;
  const { file, ports } = await makeFile(t);
  const withMore = {
    ...file,
    pools: {
      ...file.pools,
      quick: { servers: [written, `localhost:${other.port}`], identity: "none" },
      slow: {
        servers: [`127.0.0.1:${checked.port}`],
        identity: "none",
        health: { interval: "200ms" },
      },
    },
  };
  const old = await startGateway(t, withMore);
  const states = async (adminUrl: string) => {
    const listed: { server: string; state: string }[] = JSON.parse(
      await (await fetch(`${adminUrl}/api/servers`)).text(),
    );
    return Object.fromEntries(listed.map(({ server, state }) => [server, state]));
  };
  const set = (server: string, state: string) =>
    fetch(`${old.adminUrl}/api/servers/quick/${server}`, { method: "POST", body: JSON.stringify({ state }) });
  await until("the name's address", async () => Object.hasOwn(await states(old.adminUrl), named));
  t.equal((await set(written, "down")).status, 200);
  t.equal((await set(named, "drain")).status, 200);
  // It has a session, so that it stays.
  const client = await End.connect(t, { port: ports.long }, header);
  await client.line();
  const next = await startGateway(t, withMore);
  await until("the name's state", async () => (await states(next.adminUrl))[named] === "drain");
  t.match(await states(next.adminUrl), { [written]: "down", [named]: "drain" });
  const newcomer = await End.connect(t, { port: ports.smtp }, header);
  t.match(await newcomer.rest(), /^421 /);
  await next.stop();
  const before = checked.connections;
  await sleep(1500);
  t.ok(checked.connections <= before + 1, "the old one does not check any more");
  client.send("QUIT\r\n");
  await client.rest();
  client.end();
  t.equal(await old.ended, 0);
});
