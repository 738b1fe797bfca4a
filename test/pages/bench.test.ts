/**
 * The page of the load harness as Chromium shows it: on a screen, on a phone and on paper, in light and in dark.
 *
 * With POSTERN_SCREENSHOTS set to a directory, what was looked at is kept there as pictures: whether a page is handsome,
 * only people can say.
 */
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { page } from "../../bench/report/page.ts";
import { comparison, full, hostile, nothingBegun, sweep } from "../bench/report/fixtures.ts";
import { startChromium, type View } from "../servers/chromium.ts";
import { makeDirectory } from "../servers/process.ts";

const pages: Readonly<Record<string, string>> = {
  comparison: page([], comparison),
  single: page([full], null, comparison.machine),
  sweep: page(sweep),
  nothing: page([nothingBegun]),
};

const screen: View = { width: 1240, scheme: "light", media: "screen" };
const views: Readonly<Record<string, View>> = {
  light: screen,
  dark: { ...screen, scheme: "dark" },
  phone: { ...screen, width: 390 },
  smallest: { ...screen, width: 320 },
  tablet: { ...screen, width: 768 },
  paper: { ...screen, width: 794, media: "print" },
};

const pictures = process.env.POSTERN_SCREENSHOTS;

/** What is wider than its place, what stands outside of its plot, and which texts of a plot stand in one another. */
const layoutFaults = `(() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) faults.push("the page is " + root.scrollWidth + " wide");
  for (const each of document.querySelectorAll(".tile b, .tile span, h1, h2, h3")) {
    if (each.scrollWidth > each.clientWidth) faults.push("too wide: " + each.textContent);
  }
  // Paper cannot be scrolled.
  const tables = matchMedia("print").matches ? document.querySelectorAll(".scroll") : [];
  for (const table of tables) {
    if (table.checkVisibility() && table.scrollWidth > table.clientWidth) faults.push("cut: " + table.textContent);
  }
  for (const plot of document.querySelectorAll("svg")) {
    const place = plot.getBoundingClientRect();
    if (place.width === 0) continue;
    const texts = [...plot.querySelectorAll("text")].filter((text) => text.textContent !== "");
    const boxes = texts.map((text) => text.getBoundingClientRect());
    for (const [index, box] of boxes.entries()) {
      const words = plot.id + texts[index].textContent;
      if (box.left < place.left - 1 || box.right > place.right + 1) faults.push("outside: " + words);
      if (box.top < place.top - 1 || box.bottom > place.bottom + 1) faults.push("above or below: " + words);
      for (const [other, beside] of boxes.entries()) {
        if (other <= index) continue;
        const across = Math.min(box.right, beside.right) - Math.max(box.left, beside.left);
        const along = Math.min(box.bottom, beside.bottom) - Math.max(box.top, beside.top);
        // The box of a text is taller than its letters, by the room for accents.
        if (across > 0 && along > 3) faults.push(words + " over " + texts[other].textContent);
      }
    }
  }
  return faults;
})()`;

const directory = makeDirectory(t, "pages");
const browser = await startChromium(t);
const written = (name: string, text: string) => {
  const path = join(directory, `${name}.html`);
  writeFileSync(path, text);
  return path;
};

for (const [name, text] of Object.entries(pages)) {
  t.test(`page has its place for everything when it is of: ${name}`, async (t) => {
    const path = written(name, text);
    const shown = await browser.open(path);
    for (const [viewName, view] of Object.entries(views)) {
      await shown.show(view);
      t.strictSame(await shown.evaluate(layoutFaults), [], viewName);
      if (pictures !== undefined) await shown.screenshot(join(pictures, `${name}-${viewName}.png`));
    }
    const plots = await shown.evaluate("document.querySelectorAll('svg').length");
    t.equal(Number(plots) > 0, name !== "nothing", "plots where there is something to draw");
    t.strictSame(shown.errors, []);
    t.strictSame(shown.requests, [pathToFileURL(path).href], "itself, and nothing else");
  });
}

t.test("page is dark when the reader likes it so", async (t) => {
  const shown = await browser.open(written("scheme", pages.single!));
  const ground = "getComputedStyle(document.body).backgroundColor";
  await shown.show(views.light!);
  t.equal(await shown.evaluate(ground), "rgb(246, 247, 248)");
  await shown.show(views.dark!);
  t.equal(await shown.evaluate(ground), "rgb(17, 20, 24)");
});

t.test("page shows the tables behind its plots when it is printed", async (t) => {
  const shown = await browser.open(written("print", pages.single!));
  const isShown = "document.querySelector('.card details .scroll').checkVisibility()";
  t.equal(await shown.evaluate(isShown), false);
  await shown.show(views.paper!);
  t.equal(await shown.evaluate(isShown), true);
});

t.test("page runs nothing of a target's when that says it in markup", async (t) => {
  const shown = await browser.open(written("hostile", page([hostile])));
  t.strictSame(shown.errors, []);
  t.equal(await shown.evaluate("document.querySelectorAll('script, img').length"), 0);
  t.match(await shown.evaluate("document.body.textContent"), /<script>alert\(1\)<\/script>/);
});

t.test("page lets nothing out when something in it tries", async (t) => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the server has no port");
  const shown = await browser.open(written("policy", pages.single!));
  const tried = await shown.evaluate(`(async () => {
    const url = "http://127.0.0.1:${bound.port}/";
    const image = new Promise((resolve) => {
      const element = document.createElement("img");
      element.onerror = () => resolve("image refused");
      element.onload = () => resolve("image loaded");
      element.src = url;
      document.body.append(element);
    });
    const fetched = fetch(url, { mode: "no-cors" }).then(() => "fetched", () => "fetch refused");
    return [await image, await fetched];
  })()`);
  t.strictSame(tried, ["image refused", "fetch refused"]);
  t.equal(asked, 0);
  t.match(shown.errors.join("\n"), /Content Security Policy/);
});
