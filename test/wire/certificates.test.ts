/** Whom a listener says that it is, and the sessions that its clients take up again. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ConnectionOptions, connect as tlsConnect } from "node:tls";
import t, { type Test } from "tap";
import { Certificates } from "../../src/wire/certificates.ts";
import type { Wire } from "../../src/wire/wire.ts";
import { certificatesWith, farClient, makePair, served, serving } from "./secure.ts";
import { wires } from "./wires.ts";

const mx = makePair(t, "mx.example.test");
const imap = makePair(t, "imap.example.test");
const star = makePair(t, "*.hosted.example.test");
const other = makePair(t, "mx.example.test");

/** The name on the certificate that a client is shown who asks for `servername`. */
async function shown(t: Test, wire: Wire, certificates: Certificates, servername?: string): Promise<string> {
  const { far, near } = await served(t, wire, certificates, servername === undefined ? {} : { servername });
  const { subject } = far.getPeerCertificate();
  near.close();
  return String(subject.CN);
}

type Version = "TLSv1.2" | "TLSv1.3";

/** What a client keeps of a session for the next one. */
async function session(
  t: Test,
  wire: Wire,
  certificates: Certificates,
  maxVersion: Version,
): Promise<ConnectionOptions> {
  const client = { maxVersion, servername: "mx.example.test" };
  const { far: socket } = await serving(t, wire, certificates);
  const far = farClient(t, socket, client);
  const [ticket] = await once(far, "session");
  far.destroy();
  return { ...client, session: ticket };
}

/** Whether the session is taken up, as both ends say. */
async function resumes(
  t: Test,
  wire: Wire,
  certificates: Certificates,
  client: ConnectionOptions,
): Promise<boolean> {
  const { near, far } = await served(t, wire, certificates, client);
  t.equal(near.tls?.resumed, far.isSessionReused());
  near.close();
  return far.isSessionReused();
}

for (const wire of wires) {
  t.test(`${wire.name}: Certificates choose by the name that the client asks for`, async (t) => {
    const certificates = certificatesWith({ pairs: [mx, imap, star] });
    const asked: readonly [string | undefined, string][] = [
      [undefined, "mx.example.test"],
      ["imap.example.test", "imap.example.test"],
      ["IMAP.Example.Test", "imap.example.test"],
      ["a.hosted.example.test", "*.hosted.example.test"],
      ["a.b.hosted.example.test", "mx.example.test"],
      ["hosted.example.test", "mx.example.test"],
      ["elsewhere.example.test", "mx.example.test"],
      ["*.hosted.example.test", "*.hosted.example.test"],
    ];
    for (const [name, expected] of asked)
      t.equal(await shown(t, wire, certificates, name), expected, `${name}`);
    const one = certificatesWith({ pairs: [imap] });
    t.equal(await shown(t, wire, one, "elsewhere.example.test"), "imap.example.test");
  });

  for (const version of ["TLSv1.2", "TLSv1.3"] satisfies Version[]) {
    t.test(
      `${wire.name}: a session of ${version} goes on wherever the ticket keys are the same`,
      async (t) => {
        const ticketKeys = randomBytes(48);
        const threads = [1, 2].map(() => certificatesWith({ pairs: [mx, imap], ticketKeys }));
        const ticket = await session(t, wire, threads[0]!, version);
        for (const certificates of threads) t.equal(await resumes(t, wire, certificates, ticket), true);
        const stranger = certificatesWith({ pairs: [mx, imap] });
        t.equal(await resumes(t, wire, stranger, ticket), false);
        threads[1]!.replace({ pairs: [other], minVersion: "TLSv1.2", ticketKeys });
        t.equal(await resumes(t, wire, threads[1]!, ticket), true, "a new certificate under the old keys");
        threads[1]!.replace({ pairs: [mx], minVersion: "TLSv1.2", ticketKeys: randomBytes(48) });
        t.equal(await resumes(t, wire, threads[1]!, ticket), false, "new keys");
      },
    );
  }

  t.test(`${wire.name}: Certificates that are replaced leave what is under way alone`, async (t) => {
    const certificates = certificatesWith({ pairs: [mx] });
    const fresh = { minVersion: "TLSv1.2", ticketKeys: randomBytes(48) } as const;
    const { near, far, ear } = await served(t, wire, certificates);
    const { far: socket, ear: begun } = await serving(t, wire, certificates);
    certificates.replace({ ...fresh, pairs: [imap] });
    t.equal(await shown(t, wire, certificates), "imap.example.test");
    const late = farClient(t, socket);
    await begun.heard("connect");
    t.equal(late.getPeerCertificate().subject.CN, "mx.example.test");
    near.start();
    far.write("still here");
    await ear.heard("data");
    t.equal(ear.text, "still here");
    t.throws(() => certificates.replace({ ...fresh, pairs: [mx, { cert: mx.cert, key: imap.key }] }));
    t.equal(await shown(t, wire, certificates), "imap.example.test", "a bad pair changes nothing");
  });

  t.test(`${wire.name}: Certificates that are replaced all the time fail no handshake`, async (t) => {
    const certificates = certificatesWith({ pairs: [mx, imap] });
    const names = new Set<string>();
    const handshake = async (): Promise<void> => {
      const { near, far: socket, ear } = await serving(t, wire, certificates);
      const far = tlsConnect({ socket, rejectUnauthorized: false, servername: "mx.example.test" });
      await Promise.all([once(far, "secureConnect"), ear.heard("connect")]);
      names.add(far.getPeerCertificate().fingerprint256);
      near.close();
      far.destroy();
    };
    for (let turn = 0; turn < 30; turn++) {
      const handshakes = [handshake(), handshake(), handshake()];
      const pairs = turn % 2 === 0 ? [other, imap] : [imap, mx];
      certificates.replace({ pairs, minVersion: "TLSv1.2", ticketKeys: randomBytes(48) });
      await Promise.all(handshakes);
    }
    t.equal(names.size, 2);
  });
}

t.test("Certificates are refused when a pair is none", async (t) => {
  for (const pairs of [[], [{ cert: mx.cert, key: imap.key }], [{ cert: "none", key: mx.key }]])
    t.throws(() => certificatesWith({ pairs }));
});

t.test("a certificate without other names counts by its common name", async (t) => {
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const both = execFileSync(
    "openssl",
    [...request, "-subj", "/O=Some CN=x/CN=Plain.Example.Test", "-keyout", "-"],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const cert = both.slice(both.indexOf("-----BEGIN CERTIFICATE"));
  const key = both.slice(0, both.indexOf("-----BEGIN CERTIFICATE"));
  const certificates = new Certificates({
    pairs: [mx, { cert, key }],
    minVersion: "TLSv1.3",
    ticketKeys: randomBytes(48),
  });
  t.not(certificates.choose("plain.example.test"), certificates.first);
  t.equal(certificates.choose("x"), certificates.first);
});
