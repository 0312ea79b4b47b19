// What model_facts.ts, written for this model, says.
import type { Decoding } from "./classification.js";
import type { Output } from "./outputs.js";
import type { Preprocessing } from "./preprocessing.js";

export interface Facts {
  readonly model: string;
  readonly precision: string;
  /** the manifest's, of when the artifact was made */
  readonly verdict: string;
  /** the file in model/ */
  readonly artifact: string;
  /** there is a labels.txt */
  readonly labelled: boolean;
  /** the model computes in whole numbers, int8 */
  readonly whole: boolean;
  /** the scores are such, else logits */
  readonly probabilities: boolean;
  /** the names of the golden images */
  readonly golden: readonly string[];
  readonly preprocessing: Preprocessing;
  /** that the answer comes from */
  readonly outputs: readonly Output[];
  /** outputs of two runs can be compared number by number */
  readonly ordered: boolean;
  /** what each number of a row of golden answers may be off */
  readonly answerTolerances: readonly number[];
  /** what it depends on how outputs become an answer */
  readonly decoding: Decoding;
}
