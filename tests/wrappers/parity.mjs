// Runs the jobs of jobs.json with the arithmetic of a bundle for the web: picture 0.rgb -> 0.out; see test_parity.py.
import { readFileSync, writeFileSync } from "node:fs";
import { top } from "./classification.mjs";
import { pixelsOf, resized, see, tensor, upright } from "./preprocessing.mjs";

function run(job, image) {
  if (job.scores) return Buffer.from(JSON.stringify(top(job.scores, 3)));
  if (job.resize) return resized(image, ...job.resize).bytes;
  if (job.how) {
    const pixels = see(image, job.how);
    return job.tensor ? tensor(pixels, job.how) : pixels.bytes;
  }
  return upright(image, job.orientation).bytes;
}

for (const [i, job] of JSON.parse(readFileSync("jobs.json", "utf8")).entries()) {
  const image = pixelsOf(...job.size, 3, new Uint8Array(readFileSync(`${i}.rgb`)));
  writeFileSync(`${i}.out`, run(job, image));
}
