// How the page shows boxes.
import type { Detection } from "./detector.js";
import { colourOf, type Row } from "./view_types.js";

export const heading = "Objects";

export function rows(found: readonly Detection[]): Row[] {
  return found.map((each) => ({ label: named(each), score: each.score.toFixed(2), share: each.score }));
}

export function paint(context: CanvasRenderingContext2D, found: readonly Detection[]): void {
  const line = Math.max(context.canvas.width, context.canvas.height) / 250;
  context.lineWidth = line;
  context.font = `${line * 7}px system-ui, sans-serif`;
  context.textBaseline = "top";
  for (const each of found) {
    context.strokeStyle = context.fillStyle = colourOf(each.index);
    context.strokeRect(each.left, each.top, each.right - each.left, each.bottom - each.top);
    const text = `${named(each)} ${each.score.toFixed(2)}`;
    context.fillRect(each.left, each.top, context.measureText(text).width + 2 * line, line * 8);
    context.fillStyle = "#000";
    context.fillText(text, each.left + line, each.top + line / 2);
  }
}

function named(each: Detection): string {
  return each.label || `class ${each.index}`;
}
