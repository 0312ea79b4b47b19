// What the two runtimes have in common: bytes of the input in, every output by its name.
import type { Input } from "./preprocessing.js";

/** What computes: the processor, in WebAssembly, or the graphics card. */
export type Backend = "wasm" | "webgpu";

export type Given = ReadonlyMap<string, ArrayLike<number | bigint>>;

export interface Model {
  /** what really computes: a runtime may refuse the graphics card */
  readonly backend: Backend;
  /** what is said of it: threads, operators that run elsewhere */
  readonly detail: string;
  /** `input`: what tensor() of preprocessing.ts gives */
  run(input: Input): Promise<Given>;
  close(): Promise<void>;
}
