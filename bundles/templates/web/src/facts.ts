// What model_facts.ts, written for this model, says.
import type { Preprocessing } from "./preprocessing.js";

export interface Facts {
  readonly model: string;
  readonly precision: string;
  /** the manifest's, of when the artifact was made */
  readonly verdict: string;
  /** the file in model/ */
  readonly artifact: string;
  /** the output with a number for each class */
  readonly scores: string;
  /** there is a labels.txt */
  readonly labelled: boolean;
  /** the model computes in whole numbers, int8 */
  readonly whole: boolean;
  /** the scores are such, else logits */
  readonly probabilities: boolean;
  /** the names of the golden images */
  readonly golden: readonly string[];
  /** what a score may be off on other hardware */
  readonly tolerance: number;
  readonly preprocessing: Preprocessing;
}
