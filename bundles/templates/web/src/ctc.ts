// The scores of characters along an image -> the classes of its characters, by CTC's best path, exactly as the model was
// checked. Needs nothing, neither a browser.
import { numbersOf, type Outputs, placeOfHighest } from "./outputs.js";
import type { Placement, Preprocessing } from "./preprocessing.js";

/** What decoding depends on; bundle.json says the same. */
export interface Decoding {
  readonly steps: number;
  readonly classes: number;
  /** the class that is no character */
  readonly blank: number;
}

/** The best class of each step, repeats once, blanks out. */
export function decode(scores: Float32Array, how: Decoding): number[] {
  const found: number[] = [];
  let before = how.blank;
  for (let step = 0; step < how.steps; step++) {
    const best = placeOfHighest(scores, step * how.classes, how.classes);
    if (best !== before && best !== how.blank) found.push(best);
    before = best;
  }
  return found;
}

/** The answer as golden files have it, in one row. */
export function numbers(outputs: Outputs, how: Decoding, _input: Preprocessing, _at: Placement): number[] {
  return decode(numbersOf(outputs, "scores"), how);
}
