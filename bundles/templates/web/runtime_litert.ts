// A .tflite file in LiteRT.js.
import { type CompiledModel, loadAndCompile, loadLiteRt, Tensor, unloadLiteRt } from "@litertjs/core";
import type { Input } from "./preprocessing.js";
import type { Backend, Given, Model } from "./runtime_types.js";

export const RUNTIME = "LiteRT.js";

let loaded = false;
let opened: CompiledModel | undefined;

/** Opens a model in place of the one before. `folder`: the address of the runtime's own files. */
export async function openModel(file: Uint8Array<ArrayBuffer>, backend: Backend, folder: string): Promise<Model> {
  unload();
  const detail = await load(backend, folder);
  const model = await loadAndCompile(file, { accelerator: backend, gpuOptions: { precision: "fp32" } });
  opened = model;
  const [input] = model.getInputDetails();
  if (input === undefined) throw new Error("the model takes no input");
  const names = model.getOutputDetails().map((output) => output.name);
  const used = model.options.accelerator === "webgpu" ? "webgpu" : "wasm";
  return {
    backend: used,
    detail: used === "webgpu" && !model.isFullyAccelerated ? "some operators run in WebAssembly" : detail,
    run: async (values: Input): Promise<Given> => {
      const tensor = new Tensor(values, input.shape);
      const results = await model.run([tensor]);
      tensor.delete();
      const read = new Map<string, ArrayLike<number>>();
      for (const [i, result] of results.entries()) {
        read.set(names[i]!, await result.data());
        result.delete();
      }
      return read;
    },
    close: async () => {
      if (opened === model) unload();
    },
  };
}

function unload(): void {
  opened?.delete();
  opened = undefined;
  if (loaded) unloadLiteRt();
  loaded = false;
}

/** LiteRT.js has a build with threads, and one in which the graphics card may leave operators to the processor. */
async function load(backend: Backend, folder: string): Promise<string> {
  if (backend === "webgpu") {
    await loadLiteRt(folder, { jspi: "Suspending" in WebAssembly });
    loaded = true;
    return "";
  }
  if (crossOriginIsolated) {
    try {
      const runtime = await loadLiteRt(folder, { threads: true });
      loaded = true;
      return `${runtime.liteRtWasm.getThreadCount()} threads`;
    } catch (error) {
      console.info(`LiteRT.js runs without threads: ${String(error)}`);
    }
  }
  await loadLiteRt(folder);
  loaded = true;
  return "1 thread";
}
