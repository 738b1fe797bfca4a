/**
 * Our collection in a real CrowdSec: hub-style tests, every way that a log comes in, and a real guesser who is banned.
 *
 * What the collection must not use is looked for as well, since only one version of CrowdSec is at hand.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { ours, startCrowdsec } from "../servers/crowdsec.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { runHubTests } from "../servers/hubtest.ts";
import { makeDirectory, until } from "../servers/process.ts";

interface Item {
  readonly name: string;
  readonly labels?: Readonly<Record<string, unknown>> & { readonly remediation?: unknown };
}

const read = (path: string): string => readFileSync(join(ours, path), "utf8");
const namesIn = (folder: string): string[] =>
  readdirSync(join(ours, folder)).map((file) => basename(file, ".yaml"));

/** Each of the agents that read lines to their end takes three seconds to leave. */
t.setTimeout(120_000);

const collections = ["postern/postern"];
const failure =
  '{"level":"info","time":"2026-01-15T10:22:31.410Z","event":"sec.auth","service":"imap","client":{"ip":"203.0.113.7"},' +
  '"ok":false,"user":"al\\u0022ice","method":"PLAIN","tls":false}';

t.test("cscli hubtest passes when it runs all of ours", async (t) => {
  const { passed, says } = await runHubTests(t);
  t.ok(passed, says);
  for (const name of readdirSync(join(ours, ".tests"))) t.match(says, `Test '${name}' passed successfully`);
});

t.test("postern/postern names all that is there when it is installed", async (t) => {
  const { parsers, scenarios } = parse(read("collections/postern.yaml"));
  const named = (names: readonly string[]) => names.map((name) => `postern/${name}`).sort();
  t.strictSame([...parsers].sort(), named(namesIn("parsers/s01-parse")));
  t.strictSame([...scenarios].sort(), named(namesIn("scenarios")));
});

t.test("an item is portable when it is read by CrowdSec 1.4.6 and by later ones", async (t) => {
  for (const folder of ["parsers/s01-parse", "scenarios"]) {
    for (const name of namesIn(folder)) {
      const text = read(`${folder}/${name}.yaml`);
      const item: Item = parse(text);
      t.equal(item.name, `postern/${name}`);
      const code = text.replace(/^ *#.*$/gm, "");
      for (const [call, of] of code.matchAll(/\b([A-Z]\w+)\(/g))
        t.ok(["JsonExtract", "Atof"].includes(of ?? ""), `${name}: ${call}`);
      t.notMatch(code, /[&*]\w+ *$/m, "YAML's anchors");
      for (const [label, value] of Object.entries(item.labels ?? {}))
        t.notSame(typeof value, "object", `${name}: ${label} is no list`);
      // A text that says true is no truth to current releases.
      if (folder === "scenarios") t.type(item.labels?.remediation, "boolean");
    }
  }
});

t.test("postern/postern-logs reads the same event when a line comes in by any of the examples", async (t) => {
  const items = ["parsers/s00-raw/crowdsecurity/cri-logs", "parsers/s00-raw/crowdsecurity/docker-logs"];
  const crowdsec = await startCrowdsec(t, { collections, items });
  const cri = `2026-01-15T10:22:35.000000001Z stdout F ${failure}`;
  const json = JSON.stringify({
    log: `${failure}\n`,
    stream: "stdout",
    time: "2026-01-15T10:22:35.000000001Z",
  });
  const labelsOf = (example: string) => parse(read(`acquis-${example}.yaml`)).labels;
  t.strictSame(labelsOf("docker"), labelsOf("file"), "Docker's own way gives lines as they are");
  for (const [line, labels] of [
    [failure, labelsOf("file")],
    [cri, labelsOf("kubernetes")],
    [json, { type: "docker", program: "postern" }],
  ]) {
    const [explained] = await crowdsec.explain([line], labels);
    t.match(explained, {
      parser: "postern/postern-logs",
      meta: { source_ip: "203.0.113.7", service: "imap", sub_type: "auth_fail", username: "al\\u0022ice" },
      time: "2026-01-15T10:22:31.41Z",
      scenarios: ["postern/auth-bf", "postern/auth-slow-bf", "postern/distributed-bf"],
    });
  }
});

t.test("a guesser is banned, and nobody else, when six logins through postern have failed", async (t) => {
  const dovecot = await startDovecot(t, { quick: true });
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
  const file = join(makeDirectory(t, "log"), "postern.log");
  const crowdsec = await startCrowdsec(t, {
    collections,
    acquisition: [{ file, labels: { type: "postern" } }],
  });
  const gateway = await startGateway(
    t,
    {
      listeners: { imaps: { ...behindProxy("imap", "dovecot"), tls: "implicit" } },
      pools: { dovecot: poolOf(dovecot.port("imapProxy"), "proxy-v2") },
      tls: { certificates: [{ cert: certFile, key: keyFile }] },
    },
    file,
  );
  const fail = async (ip: string) => {
    const client = await Client.connect(t, {
      port: gateway.port("imaps"),
      header: proxyHeader(ip),
      tls: true,
    });
    await client.line();
    t.match(await client.imap("LOGIN alice wrong"), /NO \[AUTHENTICATIONFAILED\]/);
    client.close();
  };
  for (let attempt = 0; attempt < 5; attempt++) {
    await fail("203.0.113.9");
    await fail("203.0.113.10");
  }
  t.strictSame(await crowdsec.decisions(), [], "five are forgiven");
  await fail("203.0.113.9");
  const [decision, ...others] = await until("a decision", async () => {
    const decisions = await crowdsec.decisions();
    return decisions.length > 0 && decisions;
  });
  t.match(decision, { scenario: "postern/auth-bf", type: "ban", scope: "Ip", value: "203.0.113.9" });
  t.strictSame(others, []);
});
