// A .onnx file in ONNX Runtime Web.
import type { InferenceSession, Tensor } from "onnxruntime-web";
import type { Input } from "./preprocessing.js";
import type { Backend, Given, Model } from "./runtime_types.js";

export const RUNTIME = "ONNX Runtime Web";

/** Opens a model. `folder`: the address of the runtime's own files. */
export async function openModel(file: Uint8Array<ArrayBuffer>, backend: Backend, folder: string): Promise<Model> {
  const runtime = backend === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  runtime.env.wasm.wasmPaths = folder;
  runtime.env.logLevel = "error";
  const session: InferenceSession = await runtime.InferenceSession.create(file, {
    executionProviders: backend === "webgpu" ? ["webgpu", "wasm"] : ["wasm"],
  });
  const name = session.inputNames[0];
  const taken = session.inputMetadata[0];
  if (name === undefined || taken === undefined || !taken.isTensor) throw new Error("the model takes no tensor");
  const shape = taken.shape.map((size) => (typeof size === "number" ? size : 1));
  const threads = runtime.env.wasm.numThreads ?? 1;
  return {
    backend,
    detail: backend === "webgpu" ? "operators that it lacks run in WebAssembly" : `${threads} thread${threads > 1 ? "s" : ""}`,
    run: async (values: Input): Promise<Given> => {
      const input: Tensor = values instanceof Uint8Array
        ? new runtime.Tensor("uint8", values, shape)
        : new runtime.Tensor("float32", values, shape);
      const results = await session.run({ [name]: input });
      const read = new Map<string, ArrayLike<number | bigint>>();
      for (const [output, result] of Object.entries(results)) {
        read.set(output, (await result.getData()) as ArrayLike<number | bigint>);
        result.dispose();
      }
      return read;
    },
    close: () => session.release(),
  };
}
