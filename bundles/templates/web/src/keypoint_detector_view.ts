// How the page shows keypoints.
import type { Keypoint } from "./keypoint_detector.js";
import { colourOf, type Row } from "./view_types.js";

export const heading = "Keypoints";

export function rows(found: readonly Keypoint[]): Row[] {
  return found.map((each) => ({
    label: `${each.label || `keypoint ${each.index}`}: ${each.x.toFixed(1)}, ${each.y.toFixed(1)}`,
    score: each.score.toFixed(2),
    share: each.score,
  }));
}

export function paint(context: CanvasRenderingContext2D, found: readonly Keypoint[]): void {
  const radius = Math.max(context.canvas.width, context.canvas.height) / 100;
  for (const each of found) {
    context.fillStyle = colourOf(each.index);
    context.beginPath();
    context.arc(each.x, each.y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}
