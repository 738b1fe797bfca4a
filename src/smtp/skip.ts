/**
 * Skips what need not be looked at byte by byte in a message: sixteen bytes at a time, with WebAssembly's vectors.
 *
 * All bytes are compared with those before them, by loading the same ones twice, the second time from one place earlier.
 * So the end of a line needs no branch, and short lines cost no more than long ones. JavaScript can look at four bytes
 * together at best, and has to stop at each line: it took three to five times as long.
 *
 * This file owns the memory that WebAssembly sees and the copy there of the bytes at hand; copying is the smaller part of
 * the work. It decides nothing: where there are no vectors (on x64 V8 wants SSE4.1 for them, which some virtual machines
 * hide), it skips nothing and all bytes are looked at, which takes far longer and comes to the same.
 */
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

const VECTOR_BYTES = 16;

/** Copy and original stay in a processor's nearest cache, of 32 KiB or more; with larger blocks nothing is faster. */
export const BLOCK_BYTES = 16 * 1024;

/** The block's first byte has one before it, too: a zero, which nobody writes. */
const BLOCK_AT = VECTOR_BYTES;

/** Of WebAssembly what is used here, and of its exports our module's: Node has it, and leaves its types to browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Exports };
};

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly find: (from: number, to: number) => number;
}

interface Vectors {
  readonly block: Uint8Array;
  readonly find: Exports["find"];
}

type Code = readonly number[];

// All that is encoded here goes by the specification's names (WebAssembly Core 2.0, chapter 5).
const sections = { type: 1, function: 3, memory: 5, export: 7, code: 10 } as const;
const exportable = { function: 0, memory: 2 } as const;
const types = { i32: 0x7f, v128: 0x7b, function: 0x60, empty: 0x40 } as const;
const opcodes = {
  loop: [0x03],
  if: [0x04],
  end: [0x0b],
  br_if: [0x0d],
  return: [0x0f],
  "local.get": [0x20],
  "local.set": [0x21],
  "i32.const": [0x41],
  "i32.lt_u": [0x49],
  "i32.ctz": [0x68],
  "i32.add": [0x6a],
  "v128.load": [0xfd, 0x00],
  "i8x16.splat": [0xfd, 0x0f],
  "i8x16.eq": [0xfd, 0x23],
  "v128.and": [0xfd, 0x4e],
  "v128.or": [0xfd, 0x50],
  "v128.xor": [0xfd, 0x51],
  "i8x16.bitmask": [0xfd, 0x64],
} as const;

/** An instruction, behind its operands. */
function op(name: keyof typeof opcodes, ...operands: readonly Code[]): Code {
  return [...operands.flat(), ...opcodes[name]];
}

// Instructions that go on behind their opcodes. Numbers below 64 and lengths below 128 are one byte: all of ours are.
const constant = (value: number): Code => [...op("i32.const"), value];
const get = (local: number): Code => [...op("local.get"), local];
const set = (local: number, value: Code): Code => [...op("local.set", value), local];
const load = (base: Code, offset: number): Code => [...op("v128.load", base), 0, offset];

function doWhile(body: readonly Code[], condition: Code): Code {
  return [...op("loop"), types.empty, ...body.flat(), ...op("br_if", condition), 0, ...op("end")];
}

function when(condition: Code, body: Code): Code {
  return [...op("if", condition), types.empty, ...body, ...op("end")];
}

/** As `skip` below, but it may stop at `to` or beyond, where bytes of an earlier block stand. */
function findCode(): Code {
  const [at, to, marks, here, before, lf, cr, dot] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
  const same = (one: number, other: number) => op("i8x16.eq", get(one), get(other));
  const isBare = op("v128.xor", same(here, lf), same(before, cr));
  const isDot = op("v128.and", same(here, dot), same(before, lf));
  const vector = [
    set(here, load(get(at), BLOCK_AT)),
    set(before, load(get(at), BLOCK_AT - 1)),
    set(marks, op("i8x16.bitmask", op("v128.or", isBare, isDot))),
    when(get(marks), op("return", op("i32.add", get(at), op("i32.ctz", get(marks))))),
    set(at, op("i32.add", get(at), constant(VECTOR_BYTES))),
  ];
  return [
    // Not where they are used: V8 would make them anew for each vector, which takes longer than all the rest.
    ...set(lf, op("i8x16.splat", constant(LF))),
    ...set(cr, op("i8x16.splat", constant(CR))),
    ...set(dot, op("i8x16.splat", constant(DOT))),
    ...doWhile(vector, op("i32.lt_u", get(at), get(to))),
    ...get(at),
  ];
}

/** One function, and one page of memory: 64 KiB, so that there is room behind the block for its last vector. */
function moduleBytes(): Uint8Array {
  const { i32, v128 } = types;
  const sized = (bytes: Code): Code => [bytes.length, ...bytes];
  const section = (name: keyof typeof sections, ...items: readonly Code[]): Code => [
    sections[name],
    ...sized([items.length, ...items.flat()]),
  ];
  const exported = (name: string, kind: keyof typeof exportable): Code => [
    ...sized([...Buffer.from(name)]),
    exportable[kind],
    0,
  ];
  const signature = [types.function, ...sized([i32, i32]), ...sized([i32])];
  const locals = [2, 1, i32, 5, v128];
  return Uint8Array.from([
    ...Buffer.from("\0asm\x01\0\0\0"),
    ...section("type", signature),
    ...section("function", [0]),
    ...section("memory", [0, 1]),
    ...section("export", exported("memory", "memory"), exported("find", "function")),
    ...section("code", sized([...locals, ...findCode(), ...op("end")])),
  ]);
}

function instantiated(): Vectors | null {
  try {
    const { memory, find } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes())).exports;
    return { block: new Uint8Array(memory.buffer, BLOCK_AT, BLOCK_BYTES), find };
  } catch {
    return null;
  }
}

const vectors = instantiated();

/** Takes the bytes that the skips to come are about: `BLOCK_BYTES` at most. */
export function hold(bytes: Uint8Array): void {
  vectors?.block.set(bytes);
}

/**
 * The first of the places from `from` on and before `to` at which the bytes held have to be looked at; `to` where there is
 * none. Such is an LF without a CR before it, anything else with a CR before it, and a dot with an LF before it; the first
 * byte held has neither. `from` is less than `to`.
 */
export function skip(from: number, to: number): number {
  return vectors === null ? from : Math.min(vectors.find(from, to), to);
}
