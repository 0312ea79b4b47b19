// Builds the page into site/: the scripts, the model, the golden files, and the runtime's own files in site/wasm/.
import { build } from "esbuild";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { basename } from "node:path";

const SITE = "site";
const { runtimeFiles } = JSON.parse(await readFile("package.json", "utf8"));

await rm(SITE, { recursive: true, force: true });
await build({
  entryPoints: ["src/page.ts", "src/golden.ts"],
  outdir: SITE,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  conditions: ["onnxruntime-web-use-extern-wasm"],
  logLevel: "warning",
});
for (const each of ["index.html", "golden.html", "page.css", "model", "golden"]) {
  await cp(each, `${SITE}/${each}`, { recursive: true });
}
await mkdir(`${SITE}/wasm`);
for (const each of runtimeFiles) await cp(`node_modules/${each}`, `${SITE}/wasm/${basename(each)}`);
