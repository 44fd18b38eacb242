// Builds static/v1.js (tracker), static/widget.js, both again below static/<version>/, and static/versions.json, widgets.json
// (version and file → SRI hash); fails over a size budget.
// A pinned file never changes, so its version carries the hash of the contents beside the number of the release.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { minify } from "terser";

const TRACKER_BYTES = 3 * 1024;
const WIDGET_BYTES = 18 * 1024;
const here = fileURLToPath(new URL(".", import.meta.url));
const out = fileURLToPath(new URL("../static/", import.meta.url));
const { version } = JSON.parse(readFileSync(`${here}package.json`, "utf8"));

/** The widget's style sheet goes in as minified text. */
const styles = {
  name: "styles",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** Of all languages but English only the texts go in, in their order: the names would be the same again. */
const languages = {
  name: "languages",
  setup: ({ onLoad }) => {
    onLoad({ filter: /texts.(ar|de|es|fr)\.ts$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "ts", charset: "utf8" });
      const [[name, texts]] = Object.entries(await import(`data:text/javascript,${encodeURIComponent(code)}`));
      return { contents: `export const ${name} = ${JSON.stringify(Object.values(texts))};`, loader: "js" };
    });
  },
};

async function tracker() {
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
    compress: { passes: 4, unsafe: true, unsafe_arrows: true, booleans_as_integers: true, lhs_constants: false, inline: 1 },
    format: { ascii_only: true, comments: false },
  });
  return Buffer.from(code);
}

async function widget() {
  const { outputFiles } = await build({
    entryPoints: [`${here}src/widget/main.ts`],
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    plugins: [styles, languages],
    write: false,
  });
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    module: true,
    compress: { passes: 3, unsafe_arrows: true },
    // Names that neither the wire, the browser nor its storage knows.
    mangle: { properties: { regex: /^(readBy\w+|waitingFor|accepting|early|typed|screen|untilMs|\w+AtMs|dueMs|tries|reachable|wants|polling|askEnd|isOpen|takeTab|keepTab|rated|connected|lines|update|control|writing|unsent|draft|element|frame|answered|act|check|tell|talk|gap|waitS|root|box)$/ } },
    format: { comments: false },
  });
  return Buffer.from(code);
}

const digest = (content) => createHash("sha384").update(content).digest();

function within(name, content, limit) {
  const size = gzipSync(content, { level: 9 }).length;
  process.stdout.write(`${name}: ${content.length} bytes, ${size} gzip of ${limit} allowed\n`);
  if (size <= limit) return;
  process.stderr.write(`${name}: over budget\n`);
  process.exit(1);
}

const files = { "t.js": await tracker(), "widget.js": await widget() };
within("tracker", files["t.js"], TRACKER_BYTES);
within("widget", files["widget.js"], WIDGET_BYTES);
const release = `${version}-${digest(Buffer.concat(Object.values(files))).toString("hex").slice(0, 8)}`;
mkdirSync(`${out}${release}`, { recursive: true });
writeFileSync(`${out}v1.js`, files["t.js"]);
writeFileSync(`${out}widget.js`, files["widget.js"]);
for (const [name, content] of Object.entries(files)) {
  writeFileSync(`${out}${release}/${name}`, content);
  const hashes = { [release]: `sha384-${digest(content).toString("base64")}` };
  writeFileSync(`${out}${name === "t.js" ? "versions" : "widgets"}.json`, `${JSON.stringify(hashes)}\n`);
}
