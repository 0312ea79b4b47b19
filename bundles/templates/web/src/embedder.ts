// An image in, a vector out, which cosine() compares with those of other images: what a page calls.
import { normalised } from "./embedding.js";
import { numbersOf, type Outputs } from "./outputs.js";
import type { Pixels } from "./preprocessing.js";
import { VisionModel } from "./vision_model.js";

export { cosine } from "./embedding.js";

export class Embedder extends VisionModel {
  /** Of length 1. */
  async embed(image: Pixels): Promise<Float32Array> {
    return this.answer(await this.run(image));
  }

  /** The same of what run() or infer() gave. */
  answer(outputs: Outputs, _image?: Pixels): Float32Array {
    return normalised(numbersOf(outputs, "vector"));
  }
}
