// A segmenter's outputs -> the class of each pixel of the image, exactly as the model was checked. Needs nothing, neither
// a browser.
import { numbersOf, type Outputs } from "./outputs.js";
import type { Placement, Preprocessing } from "./preprocessing.js";

/** What decoding depends on; bundle.json says the same. */
export interface Decoding {
  /** a score for each class, the score of one class, or classes */
  readonly form: "scores" | "threshold" | "ids";
  /** scores of a cell */
  readonly classes: number;
  /** of the map that the model gives */
  readonly height: number;
  readonly width: number;
  readonly threshold: number;
}

/** The class of a pixel that the model did not see: the crop left it out. */
export const UNSEEN = -1;

/** The class at (x, y) is classes[y * width + x]. */
export interface ClassMap {
  readonly width: number;
  readonly height: number;
  readonly classes: Int32Array<ArrayBuffer>;
}

/** Of the map that the model gives. */
export function decode(outputs: Outputs, how: Decoding): ClassMap {
  const { width, height } = how;
  const given = numbersOf(outputs, how.form === "ids" ? "ids" : "scores");
  const threshold = Math.fround(how.threshold);
  const area = width * height;
  const classes = new Int32Array(area);
  for (let i = 0; i < area; i++) {
    if (how.form === "ids") {
      classes[i] = given[i]!;
    } else if (how.form === "threshold") {
      classes[i] = given[i]! > threshold ? 1 : 0;
    } else {
      let best = 0;
      for (let c = 1; c < how.classes; c++) if (given[c * area + i]! > given[best * area + i]!) best = c;
      classes[i] = best;
    }
  }
  return { width, height, classes };
}

/** Of the image: for each pixel the class of the cell that its middle lies in. */
export function toImage(map: ClassMap, at: Placement, input: Preprocessing): ClassMap {
  const rows = cells(at.imageHeight, at.height, at.top, input.height, map.height);
  const columns = cells(at.imageWidth, at.width, at.left, input.width, map.width);
  const classes = new Int32Array(rows.length * columns.length);
  let i = 0;
  for (const row of rows) {
    for (const column of columns) {
      classes[i++] = row < 0 || column < 0 ? UNSEEN : map.classes[row * map.width + column]!;
    }
  }
  return { width: at.imageWidth, height: at.imageHeight, classes };
}

/** The answer as golden files have it, in one row. */
export function numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): number[] {
  return Array.from(toImage(decode(outputs, how), at, input).classes);
}

/** For each pixel of the image along an axis the cell, of `count` along the input's side; UNSEEN outside of them. */
function cells(size: number, resized: number, start: number, side: number, count: number): number[] {
  return Array.from({ length: size }, (_, i) => {
    const middle = (2 * i + 1) * resized - 2 * start * size; // in units of 1 / (2 size) of the input's pixels
    const cell = middle < 0 ? UNSEEN : Math.floor((middle * count) / (2 * size * side));
    return cell < count ? cell : UNSEEN;
  });
}
