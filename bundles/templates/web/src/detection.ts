// A detector's outputs -> boxes in the image's pixels, exactly as the model was checked. Needs nothing, neither a browser.
import { numbersOf, type Outputs, placeOfHighest } from "./outputs.js";
import { type Placement, type Preprocessing, toImageX, toImageY } from "./preprocessing.js";

/** What decoding depends on; bundle.json says the same. */
export interface Decoding {
  readonly box: "xyxy" | "cxcywh" | "xywh";
  /** separate: the class is an output of its own */
  readonly values: "classes" | "objectness" | "score_class" | "separate";
  readonly activation: "none" | "sigmoid" | "softmax";
  readonly background: "none" | "first" | "last";
  /** boxes and scores are one output */
  readonly joined: boolean;
  /** boxes are shares of the input's size, not its pixels */
  readonly share: boolean;
  /** (values, boxes), not (boxes, values) */
  readonly columns: boolean;
  /** non-maximum suppression is still to be done */
  readonly suppresses: boolean;
  /** values of a box in the output of boxes and scores, or scores of a box in that of scores */
  readonly width: number;
  /** of them, those behind the classes */
  readonly ignored: number;
  readonly lowestScore: number;
  readonly scoreThreshold: number;
  readonly iouThreshold: number;
}

/** An object: its sides in pixels, its class and its score. */
export interface DetectedBox {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly score: number;
  readonly index: number;
}

const MOST_CANDIDATES = 1000; // of an image, into non-maximum suppression
const MOST_BOXES = 300; // and out of it
const f32 = Math.fround;

/** In pixels of the model's input, the highest score first. */
export function decode(outputs: Outputs, how: Decoding, input: Preprocessing): DetectedBox[] {
  const boxes = numbersOf(outputs, how.joined ? "detections" : "boxes");
  const stride = how.joined ? how.width : 4;
  const count = boxes.length / stride;
  const lowest = f32(how.lowestScore);
  const value = (row: number, at: number) => boxes[how.columns ? at * count + row : row * stride + at]!;
  const found: DetectedBox[] = [];
  for (let row = 0; row < count; row++) {
    const { score, index } = scoreOf(outputs, how, row, value);
    if (!(score >= lowest)) continue;
    const side = toCorners([value(row, 0), value(row, 1), value(row, 2), value(row, 3)], how.box);
    const [width, height] = how.share ? [input.width, input.height] : [1, 1];
    const box = {
      left: side[0] * width, top: side[1] * height, right: side[2] * width, bottom: side[3] * height, score, index,
    };
    if (hasArea(box)) found.push(box); // one without an area overlaps nothing, not even itself
  }
  found.sort((a, b) => b.score - a.score);
  const kept = how.suppresses ? suppressed(found.slice(0, MOST_CANDIDATES), how.iouThreshold) : found;
  return kept.slice(0, MOST_BOXES);
}

/** In pixels of the image, within its borders, of scores from `least` on; what is outside as a whole is left out. */
export function decodeIn(
  outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement, least: number,
): DetectedBox[] {
  return decode(outputs, how, input).filter((box) => box.score >= least).map((box) => ({
    ...box,
    left: within(toImageX(box.left, at), at.imageWidth),
    top: within(toImageY(box.top, at), at.imageHeight),
    right: within(toImageX(box.right, at), at.imageWidth),
    bottom: within(toImageY(box.bottom, at), at.imageHeight),
  })).filter(hasArea);
}

/** The answer as golden files have it, in one row. */
export function numbers(outputs: Outputs, how: Decoding, input: Preprocessing, at: Placement): number[] {
  return decodeIn(outputs, how, input, at, how.scoreThreshold)
    .flatMap((box) => [box.left, box.top, box.right, box.bottom, box.score, box.index]);
}

function hasArea(box: DetectedBox): boolean {
  return box.right > box.left && box.bottom > box.top;
}

function within(place: number, most: number): number {
  return Math.min(Math.max(place, 0), most);
}

function scoreOf(
  outputs: Outputs, how: Decoding, row: number, value: (row: number, at: number) => number,
): { score: number; index: number } {
  if (how.values === "separate") {
    return { score: numbersOf(outputs, "scores")[row]!, index: numbersOf(outputs, "classes")[row]! };
  }
  const values = how.joined
    ? Float32Array.from({ length: how.width - 4 - how.ignored }, (_, at) => value(row, 4 + at))
    : numbersOf(outputs, "scores").slice(row * how.width, (row + 1) * how.width);
  if (how.values === "score_class") return { score: values[0]!, index: values[1]! };
  activate(values, how.activation);
  const first = (how.values === "objectness" ? 1 : 0) + (how.background === "first" ? 1 : 0);
  const last = values.length - (how.background === "last" ? 1 : 0);
  if (how.values === "objectness") for (let i = 1; i < values.length; i++) values[i]! *= values[0]!;
  const index = placeOfHighest(values, first, last - first);
  return { score: values[first + index]!, index };
}

/** Each result is float32, as the array holds it. */
function activate(values: Float32Array, activation: Decoding["activation"]): void {
  if (activation === "sigmoid") {
    for (const [i, each] of values.entries()) {
      values[i] = 1 / f32(1 + f32(Math.exp(-Math.min(Math.max(each, -80), 80))));
    }
  } else if (activation === "softmax") {
    const most = values[placeOfHighest(values, 0, values.length)]!;
    let total = 0;
    for (const [i, each] of values.entries()) {
      values[i] = Math.exp(f32(each - most));
      total = f32(total + values[i]!);
    }
    for (let i = 0; i < values.length; i++) values[i]! /= total;
  }
}

type Sides = [number, number, number, number];

function toCorners(side: Sides, form: Decoding["box"]): Sides {
  const [x, y, third, fourth] = side;
  if (form === "xyxy") return side;
  const [left, top] = form === "cxcywh" ? [x - third / 2, y - fourth / 2] : [x, y];
  return [left, top, left + third, top + fourth];
}

function suppressed(boxes: readonly DetectedBox[], threshold: number): DetectedBox[] {
  const kept: DetectedBox[] = [];
  for (const each of boxes) {
    if (!kept.some((higher) => higher.index === each.index && overlap(higher, each) > threshold)) kept.push(each);
  }
  return kept;
}

function overlap(a: DetectedBox, b: DetectedBox): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  const areas = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top);
  return shared / (areas - shared);
}
