// An image in, keypoints out: what a page calls.
import { decode, type Point } from "./keypoints.js";
import { FACTS } from "./model_facts.js";
import type { Outputs } from "./outputs.js";
import { type Pixels, placementIn } from "./preprocessing.js";
import { VisionModel } from "./vision_model.js";

/** A place in pixels of the image. `label` is "" where the model came without labels. */
export interface Keypoint extends Point {
  readonly index: number;
  readonly label: string;
}

export class KeypointDetector extends VisionModel {
  /** The keypoints of scores from the threshold on. */
  async detect(image: Pixels, scoreThreshold = FACTS.decoding.scoreThreshold): Promise<Keypoint[]> {
    return this.answer(await this.run(image), image, scoreThreshold);
  }

  /** The same of what run() or infer() gave for the image. */
  answer(outputs: Outputs, image: Pixels, scoreThreshold = FACTS.decoding.scoreThreshold): Keypoint[] {
    const at = placementIn(image, FACTS.preprocessing);
    return decode(outputs, FACTS.decoding, FACTS.preprocessing, at)
      .map((point, index) => ({ ...point, index, label: this.label(index) }))
      .filter((point) => point.score >= scoreThreshold);
  }
}
