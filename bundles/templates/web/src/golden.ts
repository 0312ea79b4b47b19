// Reproduces the golden files in this browser, wherever it can run the model: golden.html?backend=wasm for one alone.
import { numbers } from "./classification.js";
import { decode } from "./image.js";
import { FACTS } from "./model_facts.js";
import { type Pixels, pixelsOf, placementIn, see, tensor } from "./preprocessing.js";
import type { Backend } from "./runtime_types.js";
import { bytes, difference, floats, goldenOutputs, VisionModel } from "./vision_model.js";

interface Row {
  readonly image: string;
  readonly what: string;
  readonly said: string;
  readonly right: boolean;
}

/** A binary PPM of 8 bits. */
function readPpm(data: Uint8Array<ArrayBuffer>): Pixels {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(new TextDecoder("latin1").decode(data.subarray(0, 64)));
  if (header === null) throw new Error("a golden image is no binary PPM of 8 bits");
  return pixelsOf(Number(header[1]), Number(header[2]), 3, data.slice(header[0].length));
}

function isSame(got: Uint8Array, wanted: Uint8Array): boolean {
  return got.length === wanted.length && got.every((byte, i) => byte === wanted[i]);
}

/** Whether the answer is the golden one, number by number. */
function agree(got: readonly number[], wanted: Float32Array): boolean {
  const tolerances = FACTS.answerTolerances;
  return got.length === wanted.length && got.every((number, i) => Math.abs(number - wanted[i]!) <= tolerances[i % tolerances.length]!);
}

/** The image arithmetic, to the byte, and the answer that golden outputs give. */
async function checkImages(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of FACTS.golden) {
    const image = readPpm(await bytes(`golden/${name}.ppm`));
    const decoded = await decode(new Blob([await bytes(`golden/${name}.png`)], { type: "image/png" }));
    const pixels = see(image, FACTS.preprocessing);
    const input = tensor(pixels, FACTS.preprocessing);
    const pairs: [string, Uint8Array, Uint8Array][] = [
      ["decoded PNG", decoded.bytes, image.bytes],
      ["pixels", pixels.bytes, await bytes(`golden/${name}.pixels`)],
      ["input", new Uint8Array(input.buffer, input.byteOffset, input.byteLength), await bytes(`golden/${name}.input`)],
    ];
    for (const [what, got, wanted] of pairs) {
      const right = isSame(got, wanted);
      rows.push({ image: name, what, said: right ? "equal" : "DIFFERS", right });
    }
    const at = placementIn(image, FACTS.preprocessing);
    const answer = numbers(await goldenOutputs(name), FACTS.decoding, FACTS.preprocessing, at);
    const right = agree(answer, floats(await bytes(`golden/${name}.answer`)));
    rows.push({ image: name, what: "answer", said: right ? "equal" : "DIFFERS", right });
  }
  return rows;
}

/** The model, within the tolerances; rows that come in the order of their scores are not compared one by one. */
async function checkModel(backend: Backend): Promise<Row[]> {
  const model = await VisionModel.open(backend);
  try {
    if (model.backend !== backend) return [{ image: "-", what: backend, said: model.note, right: false }];
    const rows: Row[] = [];
    for (const name of FACTS.golden) {
      const outputs = await model.run(readPpm(await bytes(`golden/${name}.ppm`)));
      const golden = await goldenOutputs(name);
      for (const { role, tolerance } of FACTS.outputs) {
        const off = difference(outputs.get(role)!, golden.get(role)!);
        const said = off === 0 ? "equal" : `off by ${off.toPrecision(3)}`;
        rows.push({ image: name, what: `${role}, ${backend}`, said, right: !FACTS.ordered || off <= tolerance });
      }
    }
    return rows;
  } finally {
    await model.close();
  }
}

function show(rows: readonly Row[]): void {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const text of ["image", "what", "result"]) {
    const cell = document.createElement("th");
    cell.textContent = text;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const text of [row.image, row.what, row.said]) line.insertCell().textContent = text;
    line.lastElementChild!.className = row.right ? "right" : "wrong";
  }
  document.getElementById("results")!.append(table);
}

async function main(): Promise<void> {
  const asked = new URLSearchParams(location.search).get("backend");
  const backends: Backend[] = asked === "wasm" || asked === "webgpu" ? [asked] : ["wasm"];
  if (asked === null && "gpu" in navigator && (await navigator.gpu.requestAdapter()) !== null) backends.push("webgpu");
  const rows = await checkImages();
  show(rows);
  for (const backend of backends) {
    const more = await checkModel(backend);
    show(more);
    rows.push(...more);
  }
  finish(rows.every((row) => row.right) ? "All golden files are reproduced." : "Some golden files are not reproduced.", rows);
}

function finish(said: string, rows: readonly Row[]): void {
  document.getElementById("verdict")!.textContent = said;
  document.body.dataset["rows"] = JSON.stringify(rows);
}

main().catch((error: unknown) => finish(`The test failed: ${error instanceof Error ? error.message : String(error)}`, []));
