// How the page shows the classes of pixels.
import type { LabelledMap } from "./segmenter.js";
import { UNSEEN } from "./segmentation.js";
import { colourOf, type Row } from "./view_types.js";

export const heading = "Classes, by their share of the picture";

export function rows(map: LabelledMap): Row[] {
  const counts = new Map<number, number>();
  for (const index of map.classes) counts.set(index, (counts.get(index) ?? 0) + 1);
  counts.delete(UNSEEN);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([index, count]) => {
    const share = count / map.classes.length;
    return { label: map.labels[index] || `class ${index}`, score: `${(share * 100).toFixed(1)} %`, share };
  });
}

export function paint(context: CanvasRenderingContext2D, map: LabelledMap): void {
  const colours = new Map<number, readonly number[]>();
  const image = context.createImageData(map.width, map.height);
  for (const [i, index] of map.classes.entries()) {
    if (index === UNSEEN) continue;
    if (!colours.has(index)) colours.set(index, rgbOf(context, colourOf(index)));
    image.data.set(colours.get(index)!, 4 * i);
  }
  context.putImageData(image, 0, 0);
}

/** Half transparent. */
function rgbOf(context: CanvasRenderingContext2D, colour: string): readonly number[] {
  context.fillStyle = colour; // which the canvas gives back as #rrggbb
  const hex = Number.parseInt(String(context.fillStyle).slice(1), 16);
  return [hex >> 16, (hex >> 8) & 255, hex & 255, 140];
}
