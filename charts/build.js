// Bundles charts.js, and writes beside it the licence of every package that is in the bundle.
import { build } from "esbuild";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const target = "../src/rowsight/surfaces/report";
const made = await build({
  entryPoints: ["charts.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  outfile: `${target}/charts.min.js`,
});

const packages = new Set();
for (const [path, input] of Object.entries(Object.values(made.metafile.outputs)[0].inputs)) {
  const name = path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1];
  if (name && input.bytesInOutput) packages.add(name);
}
const parts = [...packages].sort().map((name) => {
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const file = readdirSync(`node_modules/${name}`).find((f) => /^licen[cs]e/i.test(f));
  return `${name} ${version} (${license})\n\n${readFileSync(`node_modules/${name}/${file}`, "utf8").trim()}\n`;
});
writeFileSync(`${target}/charts.licenses.txt`, parts.join(`\n${"-".repeat(80)}\n\n`));
