// How the page shows a vector: by how alike it is to those of the pictures before.
import { cosine } from "./embedding.js";
import type { Row } from "./view_types.js";

export const heading = "Likeness to the pictures before";

const MOST = 5;
const before: Float32Array[] = []; // the last one first

export function rows(vector: Float32Array): Row[] {
  const found = before.map((other, i) => {
    const likeness = cosine(vector, other);
    return { label: i === 0 ? "the last picture" : `${i + 1} pictures ago`, score: likeness.toFixed(3), share: likeness };
  });
  before.unshift(vector);
  before.length = Math.min(before.length, MOST);
  return found.length > 0 ? found : [{ label: `${vector.length} numbers; another picture shows how alike it is`, score: "", share: 0 }];
}

/** A vector is of the whole picture: nothing lies over it. */
export function paint(_context: CanvasRenderingContext2D, _found: unknown): void {}
