/** Whom a connection to a server takes it for, and why it does not. */
import t from "tap";
import type { TrustOptions } from "../../src/wire/trust.ts";
import { farServer, makePair, trustWith } from "./secure.ts";
import { wires } from "./wires.ts";

const pair = makePair(t, "mx.example.test");
const star = makePair(t, "*.example.test");
const local = makePair(t, "localhost", "IP:127.0.0.1");
const stranger = makePair(t, "mx.example.test");

interface Case {
  readonly says: string;
  readonly shows: typeof pair;
  readonly trust: Partial<TrustOptions>;
  /** `connect`, or the error's code. */
  readonly comes: string;
}

const cases: readonly Case[] = [
  { says: "anybody who is not verified", shows: pair, trust: {}, comes: "connect" },
  {
    says: "anybody who is not verified, by a name",
    shows: pair,
    trust: { name: "elsewhere.example.test", ca: stranger.cert },
    comes: "connect",
  },
  {
    says: "a server of its authority, by its name",
    shows: pair,
    trust: { verify: "ca", ca: pair.cert, name: "mx.example.test" },
    comes: "connect",
  },
  {
    says: "a server of one of several authorities",
    shows: pair,
    trust: { verify: "ca", ca: stranger.cert + pair.cert, name: "MX.example.test" },
    comes: "connect",
  },
  {
    says: "a server with a wildcard for its name",
    shows: star,
    trust: { verify: "ca", ca: star.cert, name: "mx.example.test" },
    comes: "connect",
  },
  {
    says: "a server by its address, where no name is given",
    shows: local,
    trust: { verify: "ca", ca: local.cert },
    comes: "connect",
  },
  {
    says: "a server by an address that is given",
    shows: local,
    trust: { verify: "ca", ca: local.cert, name: "127.0.0.1" },
    comes: "connect",
  },
  {
    says: "no server of another name",
    shows: pair,
    trust: { verify: "ca", ca: pair.cert, name: "elsewhere.example.test" },
    comes: "ERR_TLS_CERT_ALTNAME_INVALID",
  },
  {
    says: "no server without its address, where no name is given",
    shows: pair,
    trust: { verify: "ca", ca: pair.cert },
    comes: "ERR_TLS_CERT_ALTNAME_INVALID",
  },
  {
    says: "no server of another authority with the same name",
    shows: pair,
    trust: { verify: "ca", ca: stranger.cert, name: "mx.example.test" },
    comes: "DEPTH_ZERO_SELF_SIGNED_CERT",
  },
  {
    says: "no server that the system does not know",
    shows: pair,
    trust: { verify: "ca", name: "mx.example.test" },
    comes: "DEPTH_ZERO_SELF_SIGNED_CERT",
  },
];

for (const wire of wires) {
  for (const { says, shows, trust, comes } of cases) {
    t.test(`${wire.name}: Trust takes ${says}`, async (t) => {
      const { open } = await farServer(t, shows);
      const { near, ear } = open(wire, trustWith(trust));
      await ear.heard(comes);
      t.same(ear.calls, [comes]);
      t.equal(near.tls !== null, comes === "connect");
    });
  }

  t.test(`${wire.name}: Trust asks for its name, and for none that is an address`, async (t) => {
    for (const [name, asked] of [
      ["mx.example.test", "mx.example.test"],
      ["127.0.0.1", false],
      [null, false],
    ] as const) {
      const { come, open } = await farServer(t, pair);
      await open(wire, trustWith({ name })).ear.heard("connect");
      t.equal(come[0]?.far.servername, asked);
    }
  });

  t.test(`${wire.name}: Trust that verifies takes no version before 1.2`, async (t) => {
    const old = {
      ...pair,
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    } as const;
    const { open } = await farServer(t, old);
    const { ear } = open(wire, trustWith({ verify: "ca", ca: pair.cert, name: "mx.example.test" }));
    await ear.heard("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    t.same(ear.calls.length, 1);
  });
}
