// An image in, boxes out: what a page calls.
import { decodeIn, type DetectedBox } from "./detection.js";
import { FACTS } from "./model_facts.js";
import type { Outputs } from "./outputs.js";
import { type Pixels, placementIn } from "./preprocessing.js";
import { VisionModel } from "./vision_model.js";

/** An object, in pixels of the image. `label` is "" where the model came without labels. */
export interface Detection extends DetectedBox {
  readonly label: string;
}

export class Detector extends VisionModel {
  /** The objects, the highest score first, of scores from the threshold on. */
  async detect(image: Pixels, scoreThreshold = FACTS.decoding.scoreThreshold): Promise<Detection[]> {
    return this.answer(await this.run(image), image, scoreThreshold);
  }

  /** The same of what run() or infer() gave for the image. */
  answer(outputs: Outputs, image: Pixels, scoreThreshold = FACTS.decoding.scoreThreshold): Detection[] {
    const at = placementIn(image, FACTS.preprocessing);
    const boxes = decodeIn(outputs, FACTS.decoding, FACTS.preprocessing, at, scoreThreshold);
    return boxes.map((box) => ({ ...box, label: this.label(box.index) }));
  }
}
