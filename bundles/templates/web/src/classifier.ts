// An image in, classes out: what a page calls.
import { top } from "./classification.js";
import { numbersOf, type Outputs } from "./outputs.js";
import type { Pixels } from "./preprocessing.js";
import { VisionModel } from "./vision_model.js";

/** A class and its score, as the model gives it: a probability, or a logit. `label` is "" where there are none. */
export interface Recognition {
  readonly index: number;
  readonly label: string;
  readonly score: number;
}

export class Classifier extends VisionModel {
  /** The best classes, best first. */
  async classify(image: Pixels, count = 5): Promise<Recognition[]> {
    return this.best(await this.run(image), count);
  }

  /** The same of what run() or infer() gave. */
  best(outputs: Outputs, count = 5): Recognition[] {
    return top(numbersOf(outputs, "scores"), count).map((each) => ({ ...each, label: this.label(each.index) }));
  }

  /** The same for an image. */
  answer(outputs: Outputs, _image?: Pixels): Recognition[] {
    return this.best(outputs);
  }
}
