// How the page shows classes.
import type { Recognition } from "./classifier.js";
import { FACTS } from "./model_facts.js";
import type { Row } from "./view_types.js";

export const heading = FACTS.probabilities ? "Best classes" : "Best classes, by logit";

export function rows(best: readonly Recognition[]): Row[] {
  const highest = best[0]?.score ?? 1;
  return best.map(({ index, label, score }) => ({
    label: label || `class ${index}`,
    score: FACTS.probabilities ? `${(score * 100).toFixed(1)} %` : score.toFixed(2),
    share: FACTS.probabilities ? score : highest > 0 ? score / highest : 0,
  }));
}

/** Classes are of the whole picture: nothing lies over it. */
export function paint(_context: CanvasRenderingContext2D, _found: unknown): void {}
