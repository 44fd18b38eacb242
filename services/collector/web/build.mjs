// Builds static/v1.js, static/<version>/t.js and static/versions.json (version → SRI hash); fails over the size budget.
// A pinned file never changes, so its version carries the hash of the content beside the number of the release.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const BUDGET_BYTES = 3 * 1024;
const here = fileURLToPath(new URL(".", import.meta.url));
const out = fileURLToPath(new URL("../static/", import.meta.url));
const { version } = JSON.parse(readFileSync(`${here}package.json`, "utf8"));

const { outputFiles } = await build({
  entryPoints: [`${here}src/main.ts`],
  bundle: true,
  format: "iife",
  target: "es2021",
  tsconfigRaw: { compilerOptions: { alwaysStrict: false } },
  // Not even while it starts may it throw into the page.
  banner: { js: "try{" },
  footer: { js: "}catch{}" },
  write: false,
});
const { code } = await minify(outputFiles[0].text, {
  ecma: 2020,
  // `inline: 1`: functions keep their shape, which compresses better than fewer characters do.
  compress: { passes: 4, unsafe: true, unsafe_arrows: true, booleans_as_integers: true, inline: 1 },
  format: { ascii_only: true, comments: false },
});
const script = Buffer.from(code);
const size = gzipSync(script, { level: 9 }).length;
const digest = createHash("sha384").update(script).digest();
const release = `${version}-${digest.toString("hex").slice(0, 8)}`;

const report = `tracker ${release}: ${script.length} bytes, ${size} gzip of ${BUDGET_BYTES} allowed`;
if (size > BUDGET_BYTES) {
  process.stderr.write(`${report}\ntracker: over budget\n`);
  process.exit(1);
}
mkdirSync(`${out}${release}`, { recursive: true });
writeFileSync(`${out}v1.js`, script);
writeFileSync(`${out}${release}/t.js`, script);
writeFileSync(`${out}versions.json`, `${JSON.stringify({ [release]: `sha384-${digest.toString("base64")}` })}\n`);
process.stdout.write(`${report}\n`);
