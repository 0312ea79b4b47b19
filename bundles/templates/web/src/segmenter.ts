// An image in, the class of each of its pixels out: what a page calls.
import { FACTS } from "./model_facts.js";
import type { Outputs } from "./outputs.js";
import { type Pixels, placementIn } from "./preprocessing.js";
import { type ClassMap, decode, toImage } from "./segmentation.js";
import { VisionModel } from "./vision_model.js";

export class Segmenter extends VisionModel {
  /** The class of each pixel of the image, UNSEEN where the model does not look. */
  async segment(image: Pixels): Promise<ClassMap> {
    return this.answer(await this.run(image), image);
  }

  /** The same of what run() or infer() gave for the image. */
  answer(outputs: Outputs, image: Pixels): LabelledMap {
    const at = placementIn(image, FACTS.preprocessing);
    const map = toImage(decode(outputs, FACTS.decoding), at, FACTS.preprocessing);
    return { ...map, labels: this.labels };
  }
}

/** With the names of the classes; none where the model came without labels. */
export interface LabelledMap extends ClassMap {
  readonly labels: readonly string[];
}
