/** The page's colours, by the arithmetic of WCAG 2.2: what can be read, and what can be told apart without hues. */
import t from "tap";
import { STYLES, style } from "../../../bench/report/style.ts";

const [light = "", dark = ""] = style.split("@media (prefers-color-scheme:dark)");

function colourOf(sheet: string, name: string): string {
  const colour = new RegExp(`--${name}:(#[0-9a-f]{6}|#fff)\\b`).exec(sheet)?.[1];
  if (colour === undefined) throw new Error(`no colour: ${name}`);
  return colour === "#fff" ? "#ffffff" : colour;
}

/** Relative luminance (WCAG 2.2, Terms). */
function luminance(colour: string): number {
  const parts = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red = 0, green = 0, blue = 0] = parts.map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [less = 0, more = 0] = [luminance(a), luminance(b)].sort((one, other) => one - other);
  return (more + 0.05) / (less + 0.05);
}

for (const [name, sheet] of Object.entries({ light, dark })) {
  t.test(`style can be read when it is ${name}`, async (t) => {
    for (const paper of ["page", "card"]) {
      const ground = colourOf(sheet, paper);
      for (const ink of ["ink", "soft", "well", "warning", "bad", "accent"]) {
        t.ok(contrast(colourOf(sheet, ink), ground) >= 4.5, `${ink} on ${paper} (1.4.3)`);
      }
      for (let at = 0; at < STYLES; at++) {
        t.ok(contrast(colourOf(sheet, `s${at}`), ground) >= 3, `line ${at} on ${paper} (1.4.11)`);
      }
    }
  });

  t.test(`style tells the usual four lines apart when hues are gone and it is ${name}`, async (t) => {
    const lines = [0, 1, 2, 3].map((at) => colourOf(sheet, `s${at}`));
    for (const [at, line] of lines.entries()) {
      for (const other of lines.slice(at + 1)) t.ok(contrast(line, other) >= 1.25, `${line} beside ${other}`);
    }
  });
}

t.test("style gives each line dashes of its own when there are eight", async (t) => {
  const dashes = [...style.matchAll(/stroke-dasharray:([^}]+)\}/g)].map(([, dash]) => dash);
  t.equal(dashes.length, STYLES);
  t.equal(new Set(dashes).size, STYLES);
});
