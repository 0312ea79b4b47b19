// What the modules of a bundle for the web make of golden outputs: node answers.mjs GOLDEN; wrapper.mjs has the modules.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FACTS, numbers, placementIn } from "./wrapper.mjs";

const folder = process.argv[2];
const found = {};
for (const name of FACTS.golden) {
  const [, width, height] = /^P6\s+(\d+)\s+(\d+)\s/.exec(readFileSync(join(folder, `${name}.ppm`)).toString("latin1", 0, 64));
  const stored = new Float32Array(new Uint8Array(readFileSync(join(folder, `${name}.output`))).buffer);
  let from = 0;
  const outputs = new Map(FACTS.outputs.map(({ role, size }) => [role, stored.slice(from, (from += size))]));
  const at = placementIn({ width: Number(width), height: Number(height) }, FACTS.preprocessing);
  found[name] = numbers(outputs, FACTS.decoding, FACTS.preprocessing, at);
}
console.log(JSON.stringify(found));
