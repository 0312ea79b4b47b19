// The best of a classifier's scores. Needs nothing, neither a browser.
import { numbersOf, type Outputs } from "./outputs.js";
import type { Placement, Preprocessing } from "./preprocessing.js";

export interface Decoding {
  readonly classes: number;
}

/** The classes of the highest scores, best first; of equal ones the lower class. */
export function top(scores: ArrayLike<number>, count: number): { index: number; score: number }[] {
  const order = Array.from({ length: scores.length }, (_, index) => ({ index, score: scores[index]! }));
  order.sort((a, b) => (a.score === b.score ? a.index - b.index : b.score - a.score));
  return order.slice(0, count);
}

/** The answer as golden files have it, in one row. */
export function numbers(outputs: Outputs, _how: Decoding, _input: Preprocessing, _at: Placement): number[] {
  return top(numbersOf(outputs, "scores"), 5).flatMap((each) => [each.index, each.score]);
}
