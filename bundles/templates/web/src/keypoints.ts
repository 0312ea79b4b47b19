// A model's outputs -> keypoints in the image's pixels, exactly as the model was checked. Needs nothing, neither a browser.
import { numbersOf, type Outputs, placeOfHighest } from "./outputs.js";
import { type Placement, type Preprocessing, toImageX, toImageY } from "./preprocessing.js";

/** What decoding depends on; bundle.json says the same. */
export interface Decoding {
  readonly form: "heatmaps" | "bins" | "boxes" | "points";
  /** of keypoints */
  readonly count: number;
  /** of a heatmap, bins of y and of x, values and boxes, or the list of points */
  readonly rows: number;
  readonly columns: number;
  /** coordinates are shares of the input's size, not its pixels */
  readonly share: boolean;
  readonly scoreThreshold: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly score: number;
}

/** All keypoints, in pixels of the upright image. */
export function decode(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): Point[] {
  return Array.from({ length: how.count }, (_, index) => {
    const point = READERS[how.form](outputs, index, how, input);
    return { x: toImageX(point.x, at), y: toImageY(point.y, at), score: point.score };
  });
}

/** The answer as golden files have it, in one row. */
export function numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): number[] {
  return decode(outputs, how, input, at).flatMap((point) => [point.x, point.y, point.score]);
}

type Reader = (outputs: Outputs, index: number, how: Decoding, input: Preprocessing) => Point;

/** The middle of the highest cell, a quarter of one towards its higher neighbour. */
const ofHeatmap: Reader = (outputs, index, { rows, columns }, input) => {
  const maps = numbersOf(outputs, "heatmaps");
  const start = index * rows * columns;
  const best = placeOfHighest(maps, start, rows * columns);
  const x = best % columns;
  const y = Math.floor(best / columns);
  const at = (row: number, column: number) =>
    maps[start + Math.min(Math.max(row, 0), rows - 1) * columns + Math.min(Math.max(column, 0), columns - 1)]!;
  const right = Math.sign(at(y, x + 1) - at(y, x - 1));
  const below = Math.sign(at(y + 1, x) - at(y - 1, x));
  return {
    x: ((x + 0.5 + right / 4) * input.width) / columns,
    y: ((y + 0.5 + below / 4) * input.height) / rows,
    score: maps[start + best]!,
  };
};

/** The highest bin along x, and along y. */
const ofBins: Reader = (outputs, index, { rows, columns }, input) => {
  const [x, y] = [numbersOf(outputs, "x"), numbersOf(outputs, "y")];
  const column = placeOfHighest(x, index * columns, columns);
  const row = placeOfHighest(y, index * rows, rows);
  const score = Math.min(x[index * columns + column]!, y[index * rows + row]!);
  return { x: (column * input.width) / columns, y: (row * input.height) / rows, score };
};

/** Those of the box with the highest score. */
const ofBestBox: Reader = (outputs, index, { columns }) => {
  const values = numbersOf(outputs, "detections");
  const best = placeOfHighest(values, 4 * columns, columns);
  const at = (row: number) => values[row * columns + best]!;
  return { x: at(5 + 3 * index), y: at(6 + 3 * index), score: at(7 + 3 * index) };
};

/** The coordinates as they are; of score 1 where no scores are given. */
const ofPoint: Reader = (outputs, index, { columns, share }, input) => {
  const values = numbersOf(outputs, "points");
  const start = index * columns;
  const [width, height] = share ? [input.width, input.height] : [1, 1];
  const score = columns === 3 ? values[start + 2]! : 1;
  return { x: values[start]! * width, y: values[start + 1]! * height, score };
};

const READERS = { heatmaps: ofHeatmap, bins: ofBins, boxes: ofBestBox, points: ofPoint } as const;
