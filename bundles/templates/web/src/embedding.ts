// The vectors of images, brought to length 1, and how alike two are. Needs nothing, neither a browser.
import { numbersOf, type Outputs } from "./outputs.js";
import type { Placement, Preprocessing } from "./preprocessing.js";

export interface Decoding {
  /** of the vector */
  readonly size: number;
}

/** Of length 1; zeros as they are. */
export function normalised(vector: Float32Array): Float32Array {
  const length = lengthOf(vector);
  return vector.map((number) => number / length);
}

/** 1 for the same direction, 0 for nothing in common; of vectors of any length. */
export function cosine(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) throw new RangeError("two vectors have as many numbers");
  return product(one, other) / (lengthOf(one) * lengthOf(other));
}

/** The answer as golden files have it, in one row. */
export function numbers(outputs: Outputs, _how: Decoding, _input: Preprocessing, _at: Placement): number[] {
  return Array.from(normalised(numbersOf(outputs, "vector")));
}

function product(one: Float32Array, other: Float32Array): number {
  let total = 0;
  for (const [i, number] of one.entries()) total += number * other[i]!;
  return total;
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(product(vector, vector)) || 1;
}
