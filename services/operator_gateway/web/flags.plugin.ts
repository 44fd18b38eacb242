/**
 * Country flags as plain files.
 *
 * The stylesheet of flag-icons names more than 500 pictures, of which a page shows a handful. Here the 4:3 files are
 * copied as they are into a folder that carries the package's version (so they may be cached for ever), and
 * `virtual:flags` tells the console which codes have one. No stylesheet, no data URIs: a strict CSP stays strict.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

const VIRTUAL = "virtual:flags";
const RESOLVED = `\0${VIRTUAL}`;

export function flags(): Plugin {
  const manifest = createRequire(import.meta.url).resolve("flag-icons/package.json");
  const folder = join(dirname(manifest), "flags", "4x3");
  const version = (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
  const base = `assets/flags-${version}`;
  const codes = readdirSync(folder)
    .filter((name) => /^[a-z]{2}\.svg$/.test(name))
    .map((name) => name.slice(0, 2));
  return {
    name: "foyer-flags",
    resolveId: (id) => (id === VIRTUAL ? RESOLVED : undefined),
    load: (id) =>
      id === RESOLVED
        ? `export const base = ${JSON.stringify(`/${base}`)};\nexport const codes = ${JSON.stringify(codes.join(""))};`
        : undefined,
    generateBundle() {
      for (const code of codes) {
        this.emitFile({
          type: "asset",
          fileName: `${base}/${code}.svg`,
          source: readFileSync(join(folder, `${code}.svg`)),
        });
      }
    },
  };
}
