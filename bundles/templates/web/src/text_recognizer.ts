// An image of a line of text in, the string out: what a page calls.
import { decode } from "./ctc.js";
import { FACTS } from "./model_facts.js";
import { numbersOf, type Outputs } from "./outputs.js";
import type { Pixels } from "./preprocessing.js";
import { VisionModel } from "./vision_model.js";

export class TextRecognizer extends VisionModel {
  /** What is written; `labels` are the characters. */
  async read(image: Pixels): Promise<string> {
    return this.answer(await this.run(image));
  }

  /** The same of what run() or infer() gave. */
  answer(outputs: Outputs, _image?: Pixels): string {
    return decode(numbersOf(outputs, "scores"), FACTS.decoding).map((index) => this.label(index)).join("");
  }
}
