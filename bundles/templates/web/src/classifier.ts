// An image in, classes out: what a page calls.
import { FACTS } from "./model_facts.js";
import { type Pixels, see, tensor, top } from "./preprocessing.js";
import { openModel } from "./runtime.js";
import type { Backend, Model, Outputs } from "./runtime_types.js";

/** A class and its score, as the model gives it: a probability, or a logit. `label` is "" where there are none. */
export interface Recognition {
  readonly index: number;
  readonly label: string;
  readonly score: number;
}

/** What decides where the model runs: "auto" takes the graphics card where that is there, right and of use. */
export type Choice = Backend | "auto";

export class Classifier {
  private constructor(
    private readonly model: Model,
    private readonly labels: readonly string[],
    /** why it runs where it runs, where that is not what was asked for */
    readonly note: string,
  ) {}

  /** `base`: the address of the folder that has model/, golden/ and wasm/. Rejects where a file cannot be had. */
  static async open(choice: Choice = "auto", base: string | URL = document.baseURI): Promise<Classifier> {
    const file = await bytes(`model/${encodeURIComponent(FACTS.artifact)}`, base);
    const labels = FACTS.labelled ? lines(await bytes("model/labels.txt", base)) : [];
    const folder = new URL("wasm/", base).href;
    const reason = choice === "wasm" ? "" : await whyNoGpu(choice);
    if (choice === "wasm" || reason !== "") {
      return new Classifier(await openModel(file, "wasm", folder), labels, reason);
    }
    const { model, problem } = await openOnGpu(file, folder, base);
    return new Classifier(model ?? (await openModel(file, "wasm", folder)), labels, problem);
  }

  get backend(): Backend {
    return this.model.backend;
  }

  get detail(): string {
    return this.model.detail;
  }

  /** All outputs for an upright RGB image, by their names. */
  run(image: Pixels): Promise<Outputs> {
    return this.infer(see(image, FACTS.preprocessing));
  }

  /** The same for what see() of preprocessing.ts gives. */
  infer(pixels: Pixels): Promise<Outputs> {
    return this.model.run(tensor(pixels, FACTS.preprocessing));
  }

  /** The best classes, best first. */
  async classify(image: Pixels, count = 5): Promise<Recognition[]> {
    return this.best(await this.run(image), count);
  }

  /** The best classes of what run() or infer() gave. */
  best(outputs: Outputs, count = 5): Recognition[] {
    return top(scoresOf(outputs), count).map((each) => ({ ...each, label: this.labels[each.index] ?? "" }));
  }

  close(): Promise<void> {
    return this.model.close();
  }
}

/** The number for each class. */
export function scoresOf(outputs: Outputs): Float32Array {
  const scores = outputs.get(FACTS.scores);
  if (!(scores instanceof Float32Array)) throw new Error("the model does not give its scores as float32");
  return scores;
}

/** The largest difference of two lists of scores; Infinity where they cannot be compared. */
export function difference(got: Float32Array, wanted: Float32Array): number {
  if (got.length !== wanted.length) return Infinity;
  let largest = 0;
  for (const [i, score] of got.entries()) largest = Math.max(largest, Math.abs(score - wanted[i]!));
  return Number.isNaN(largest) ? Infinity : largest;
}

/** The bytes of a file of the bundle. */
export async function bytes(name: string, base: string | URL = document.baseURI): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(new URL(name, base));
  if (!answer.ok) throw new Error(`${name} cannot be loaded (HTTP ${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** Little-endian, as every machine with a browser is. */
export function floats(data: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(data.length / 4);
  new Uint8Array(numbers.buffer).set(data);
  return numbers;
}

function lines(data: Uint8Array): string[] {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(data).replace(/\n$/, "").split("\n");
}

async function whyNoGpu(choice: Choice): Promise<string> {
  if (!("gpu" in navigator)) return "This browser has no WebGPU.";
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  if (adapter === null) return "This browser finds no graphics card for WebGPU.";
  if (choice === "webgpu") return "";
  if (adapter.info.isFallbackAdapter) return "WebGPU is computed by the processor here, which is slower than WebAssembly.";
  return FACTS.whole ? "The int8 arithmetic is the processor's; a graphics card would compute it in float." : "";
}

/** The model on the graphics card, unless it fails there or answers otherwise than when the bundle was made. */
async function openOnGpu(
  file: Uint8Array<ArrayBuffer>, folder: string, base: string | URL,
): Promise<{ model: Model | null; problem: string }> {
  try {
    const model = await openModel(file, "webgpu", folder);
    if (model.backend !== "webgpu") return { model, problem: "WebGPU does not take all of this model's operators." };
    const name = FACTS.golden[0]!;
    const stored = await bytes(`golden/${name}.input`, base);
    const outputs = await model.run(FACTS.preprocessing.normalises ? floats(stored) : stored);
    const off = difference(scoresOf(outputs), floats(await bytes(`golden/${name}.output`, base)));
    if (off <= FACTS.tolerance) return { model, problem: "" };
    await model.close();
    return { model: null, problem: `WebGPU gives other scores (off by ${off.toPrecision(2)}) than those of the golden file.` };
  } catch (error) {
    return { model: null, problem: `WebGPU cannot run this model (${error instanceof Error ? error.message : String(error)}).` };
  }
}
