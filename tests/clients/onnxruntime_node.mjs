// Runs an ONNX file in ONNX Runtime's package for Node: node onnxruntime_node.mjs MODEL INPUT SHAPE TYPE FOLDER
// writes FOLDER/NAME of every output.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";

const [model, input, shape, type, folder] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
const bytes = new Uint8Array(readFileSync(input));
const values = type === "uint8" ? bytes : new Float32Array(bytes.buffer);
const outputs = await session.run({ [session.inputNames[0]]: new ort.Tensor(type, values, JSON.parse(shape)) });
for (const [name, { data }] of Object.entries(outputs)) {
  writeFileSync(join(folder, name), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
