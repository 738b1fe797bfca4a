/** What the configuration takes from other files, and each thing that can be wrong with them, at its place. */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { defaultPoolTls, errorsOf, least, loaded, warningsOf } from "./fixtures.ts";

const folder = t.testdir({ one: {}, other: {} });
const textsOf = (name: string) => {
  const { certFile, keyFile } = makeCertificate(join(folder, name), `${name}.example.test`);
  return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
};
const one = textsOf("one");
const other = textsOf("other");

function openssl(args: readonly string[], input = ""): string {
  return execFileSync("openssl", args, { input, stdio: "pipe", encoding: "utf8" });
}

const day = 86_400_000;
const text = `${least}tls:
  certificates:
    - cert: a.crt
      key: a.key
    - { cert: b.crt, key: b.key }
`;
const sound = { "a.crt": one.cert, "a.key": one.key, "b.crt": other.cert, "b.key": other.key };
const broken = one.cert.replace("\nMII", "\nMIX");

t.test("loadConfiguration keeps the certificates' paths when their files are right", async (t) => {
  const { tls } = loaded(text, { files: sound });
  t.same(tls, {
    certificates: [
      { cert: "a.crt", key: "a.key" },
      { cert: "b.crt", key: "b.key" },
    ],
    minVersion: "TLSv1.2",
  });
  t.same(warningsOf(text, { files: sound }), []);
  t.equal(loaded(`${text}  minVersion: TLSv1.3\n`, { files: sound }).tls.minVersion, "TLSv1.3");
  t.same(errorsOf(`${text}  minVersion: TLSv1.1\n`, { files: sound }), [
    "16:15: tls.minVersion: must be TLSv1.2 or TLSv1.3",
  ]);
});

t.test(
  "loadConfiguration says what is wrong with a certificate's files when they will not serve",
  async (t) => {
    const [cert, key] = ["13:13: tls.certificates[0].cert", "14:12: tls.certificates[0].key"];
    const encrypted = openssl(["pkey", "-aes256", "-passout", "pass:s3cret"], one.key);
    const traditional = openssl(["ec", "-aes256", "-passout", "pass:s3cret"], one.key);
    const weak = openssl("req -x509 -newkey rsa:1024 -nodes -subj /CN=weak -keyout - -out -".split(" "));
    const locked = `${key}: the key is encrypted, and postern has no passphrase for it`;
    const table: readonly [string, Readonly<Record<string, string | undefined>>, string[]][] = [
      ["no certificate file", { "a.crt": undefined }, [`${cert}: the file cannot be read (ENOENT)`]],
      ["no key file", { "a.key": undefined }, [`${key}: the file cannot be read (ENOENT)`]],
      ["an empty file", { "a.crt": "" }, [`${cert}: the file holds no certificate (PEM)`]],
      [
        "a key in place of a certificate",
        { "a.crt": one.key },
        [`${cert}: the file holds no certificate (PEM)`],
      ],
      ["no key in it", { "a.key": one.cert }, [`${key}: the file holds no private key (PEM)`]],
      ["an encrypted key", { "a.key": encrypted }, [locked]],
      ["an encrypted key in the old form", { "a.key": traditional }, [locked]],
      [
        "another's key",
        { "a.key": other.key },
        [`${key}: the key does not fit the certificate, the first in its file`],
      ],
      [
        "the authority before the server's own",
        { "a.crt": other.cert + one.cert },
        [`${key}: the key does not fit the certificate, the first in its file`],
      ],
      [
        "a key of another kind",
        { "a.key": weak },
        [`${key}: the key does not fit the certificate, the first in its file`],
      ],
      [
        "what OpenSSL does not take",
        { "a.crt": weak, "a.key": weak },
        [`${cert}: OpenSSL does not take it (ERR_SSL_EE_KEY_TOO_SMALL)`],
      ],
      [
        "both files",
        { "a.crt": "", "a.key": "" },
        [`${cert}: the file holds no certificate (PEM)`, `${key}: the file holds no private key (PEM)`],
      ],
      [
        "the second pair",
        { "b.key": undefined },
        ["15:27: tls.certificates[1].key: the file cannot be read (ENOENT)"],
      ],
    ];
    for (const [what, changed, errors] of table) {
      const files = Object.fromEntries(
        Object.entries({ ...sound, ...changed }).filter(
          (entry): entry is [string, string] => entry[1] !== undefined,
        ),
      );
      t.same(errorsOf(text, { files }), errors, what);
    }
    for (const damaged of [broken, one.cert + broken, one.cert + other.cert.slice(0, 200)]) {
      t.match(errorsOf(text, { files: { ...sound, "a.crt": damaged } }), [
        /^13:13: tls\.certificates\[0\]\.cert: a certificate in the file is damaged \(ERR_OSSL_\w+\)$/,
      ]);
    }
  },
);

t.test("loadConfiguration takes a certificate when its files hold more than it", async (t) => {
  const chain = `subject=/CN=a\n${one.cert}\nissuer\n${other.cert}`;
  t.same(errorsOf(text, { files: { ...sound, "a.crt": chain } }), []);
  const both = one.key + one.cert;
  t.same(errorsOf(text, { files: { ...sound, "a.crt": both, "a.key": both } }), [], "one file for both");
});

t.test("loadConfiguration warns of a certificate when it is not valid now", async (t) => {
  const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const { validFromDate, validToDate } = new X509Certificate(one.cert);
  const [begins, ends] = [validFromDate.getTime(), validToDate.getTime()];
  const at = (nowMs: number) => warningsOf(text, { files: sound, nowMs });
  t.same(at(begins + day), []);
  t.equal(at(ends + day)[0], `13:13: tls.certificates[0].cert: the certificate expired on ${dayOf(ends)}`);
  t.match(at(ends + day)[1], /^15:15: tls\.certificates\[1\]\.cert: the certificate expired on /);
  t.equal(
    at(begins - day)[0],
    `13:13: tls.certificates[0].cert: the certificate is not valid before ${dayOf(begins)}`,
  );
});

t.test("loadConfiguration shows no key when anything is said of it", async (t) => {
  const secret = one.key.split("\n")[1]!;
  const { "a.crt": _, ...files } = sound;
  t.notMatch(errorsOf(text, { files: { ...files, "a.crt": one.key } }).join(), secret);
  t.notMatch(errorsOf(text, { files: { ...sound, "a.key": one.key.slice(0, -40) } }).join(), secret);
  t.notMatch(JSON.stringify(loaded(text, { files: sound })), secret);
});

t.test("loadConfiguration takes a pool's TLS when it is a word or a mapping", async (t) => {
  const poolOf = (tls: string) =>
    loaded(`${least}    tls: ${tls}\n`, { files: { ca: one.cert } }).pools[0]?.tls;
  t.same(poolOf("off"), defaultPoolTls);
  t.same(poolOf("starttls"), { ...defaultPoolTls, mode: "starttls" });
  t.same(poolOf("implicit"), { ...defaultPoolTls, mode: "implicit" });
  t.same(poolOf("{ mode: implicit }"), { ...defaultPoolTls, mode: "implicit" });
  t.same(poolOf("{ mode: starttls, verify: ca, name: mail.example.test, ca: ca }"), {
    mode: "starttls",
    verify: "ca",
    name: "mail.example.test",
    ca: one.cert,
  });
});

t.test("loadConfiguration says what is wrong with a pool's TLS at its place", async (t) => {
  const errors = (tls: string) =>
    errorsOf(`${least}    tls: ${tls}\n`, { files: { empty: "", bad: broken } });
  t.same(errors("on"), ["11:10: pools.postfix.tls: must be off, starttls or implicit"]);
  t.same(errors("5"), ["11:10: pools.postfix.tls: must be off, starttls or implicit"]);
  t.same(errors("{ verify: ca }"), ["11:10: pools.postfix.tls.mode: is missing: off, starttls or implicit"]);
  t.same(errors("{ mode: on }"), ["11:18: pools.postfix.tls.mode: must be off, starttls or implicit"]);
  t.same(errors("{ mode: off, verfy: ca }"), [
    "11:23: pools.postfix.tls.verfy: unknown key (did you mean verify?)",
  ]);
  t.same(errors("{ mode: implicit, name: a b }"), ["11:34: pools.postfix.tls.name: must be a host name"]);
  const at = "11:44: pools.postfix.tls.ca";
  t.same(errors("{ mode: implicit, verify: ca, ca: absent }"), [`${at}: the file cannot be read (ENOENT)`]);
  t.same(errors("{ mode: implicit, verify: ca, ca: empty }"), [`${at}: the file holds no certificate (PEM)`]);
  t.match(errors("{ mode: implicit, verify: ca, ca: bad }"), [/^11:44: .* is damaged \(ERR_/]);
});

t.test("loadConfiguration warns of authorities when nothing is verified with them", async (t) => {
  const warned = (tls: string) => warningsOf(`${least}    tls: ${tls}\n`, { files: { ca: one.cert } });
  t.same(warned("{ mode: implicit, ca: ca }"), [
    "11:32: pools.postfix.tls.ca: nothing is verified with it: verify is none",
  ]);
  t.same(warned("{ mode: implicit, verify: ca, ca: ca }"), []);
});
