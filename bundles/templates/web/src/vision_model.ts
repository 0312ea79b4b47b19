// The model of this bundle, with what is known of it: what the wrapper of every task begins with.
import { FACTS } from "./model_facts.js";
import type { Outputs } from "./outputs.js";
import { type Pixels, see, tensor } from "./preprocessing.js";
import { openModel } from "./runtime.js";
import type { Backend, Given, Model } from "./runtime_types.js";

/** What decides where the model runs: "auto" takes the graphics card where that is there, right and of use. */
export type Choice = Backend | "auto";

/** What open() makes a wrapper of. */
interface Opened {
  readonly model: Model;
  readonly labels: readonly string[];
  readonly note: string;
}

export class VisionModel {
  private readonly model: Model;
  /** the names of classes or characters; empty where the model came without */
  readonly labels: readonly string[];
  /** why it runs where it runs, where that is not what was asked for */
  readonly note: string;

  /** Call open() instead. */
  constructor(opened: Opened) {
    this.model = opened.model;
    this.labels = opened.labels;
    this.note = opened.note;
  }

  /** `base`: the address of the folder that has model/, golden/ and wasm/. Rejects where a file cannot be had. */
  static async open<Wrapper extends VisionModel>(
    this: new (opened: Opened) => Wrapper, choice: Choice = "auto", base: string | URL = document.baseURI,
  ): Promise<Wrapper> {
    const file = await bytes(`model/${encodeURIComponent(FACTS.artifact)}`, base);
    const labels = FACTS.labelled ? lines(await bytes("model/labels.txt", base)) : [];
    const folder = new URL("wasm/", base).href;
    const reason = choice === "wasm" ? "" : await whyNoGpu(choice);
    if (choice === "wasm" || reason !== "") {
      return new this({ model: await openModel(file, "wasm", folder), labels, note: reason });
    }
    const { model, problem } = await openOnGpu(file, folder, base);
    return new this({ model: model ?? (await openModel(file, "wasm", folder)), labels, note: problem });
  }

  get backend(): Backend {
    return this.model.backend;
  }

  get detail(): string {
    return this.model.detail;
  }

  /** What the model gives for an upright RGB image. */
  run(image: Pixels): Promise<Outputs> {
    return this.infer(see(image, FACTS.preprocessing));
  }

  /** The same for what see() of preprocessing.ts gives. */
  async infer(pixels: Pixels): Promise<Outputs> {
    return outputsOf(await this.model.run(tensor(pixels, FACTS.preprocessing)));
  }

  /** The name of a class, "" where it has none. */
  label(index: number): string {
    return this.labels[index] ?? "";
  }

  close(): Promise<void> {
    return this.model.close();
  }
}

/** Those that the answer comes from, by their roles. Throws where the model does not give them. */
function outputsOf(given: Given): Outputs {
  return new Map(FACTS.outputs.map(({ role, name, size }) => {
    const found = given.get(name);
    if (found?.length !== size) throw new Error(`the model does not give ${size} numbers as ${name}`);
    return [role, found instanceof Float32Array ? found : Float32Array.from(found as ArrayLike<number | bigint>, Number)];
  }));
}

/** The golden outputs of an image. */
export async function goldenOutputs(name: string, base: string | URL = document.baseURI): Promise<Outputs> {
  const stored = floats(await bytes(`golden/${name}.output`, base));
  let from = 0;
  return new Map(FACTS.outputs.map(({ role, size }) => [role, stored.slice(from, (from += size))]));
}

/** The largest difference of two lists of numbers; Infinity where they cannot be compared. */
export function difference(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < got.length; i++) largest = Math.max(largest, Math.abs(got[i]! - wanted[i]!));
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
    const outputs = outputsOf(await model.run(FACTS.preprocessing.normalises ? floats(stored) : stored));
    for (const [role, wanted] of await goldenOutputs(name, base)) {
      const got = outputs.get(role)!;
      const off = FACTS.ordered ? difference(got, wanted) : difference(got.slice().sort(), wanted.slice().sort());
      if (off <= FACTS.outputs.find((each) => each.role === role)!.tolerance) continue;
      await model.close();
      const problem = `WebGPU gives other ${role} (off by ${off.toPrecision(2)}) than those of the golden file.`;
      return { model: null, problem };
    }
    return { model, problem: "" };
  } catch (error) {
    return { model: null, problem: `WebGPU cannot run this model (${error instanceof Error ? error.message : String(error)}).` };
  }
}
