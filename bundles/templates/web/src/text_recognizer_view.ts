// How the page shows a string.
import type { Row } from "./view_types.js";

export const heading = "Text";

export function rows(text: string): Row[] {
  return [{ label: text || "(nothing)", score: "", share: 0 }];
}

/** The string stands beside the picture: nothing lies over it. */
export function paint(_context: CanvasRenderingContext2D, _found: unknown): void {}
