// Decodes the outputs of jobs.json with the modules of a bundle for the web; see test_heads.py.
import { readFileSync } from "node:fs";
import { placementIn } from "./preprocessing.mjs";

const found = [];
for (const [i, job] of JSON.parse(readFileSync("jobs.json", "utf8")).entries()) {
  const { numbers } = await import(`./${job.module}.mjs`);
  const stored = new Float32Array(new Uint8Array(readFileSync(`${i}.bin`)).buffer);
  let from = 0;
  const outputs = new Map(Object.entries(job.outputs).map(([role, size]) => [role, stored.slice(from, (from += size))]));
  found.push(job.sizes.map(([width, height]) => {
    return numbers(outputs, job.decoding, job.input, placementIn({ width, height }, job.input));
  }));
}
console.log(JSON.stringify(found));
