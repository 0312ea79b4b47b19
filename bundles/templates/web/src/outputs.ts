// What a model gives, as far as its answer comes from it. Needs nothing, neither a browser.

/** An output that is read. */
export interface Output {
  /** what it is to the task */
  readonly role: string;
  readonly name: string;
  /** how many numbers */
  readonly size: number;
  /** what one of them may be off on other hardware */
  readonly tolerance: number;
}

/** The numbers of each output that is read, by its role. */
export type Outputs = ReadonlyMap<string, Float32Array>;

/** The numbers of one of them. Throws where there are none. */
export function numbersOf(outputs: Outputs, role: string): Float32Array {
  const found = outputs.get(role);
  if (found === undefined) throw new Error(`the model gives no ${role}`);
  return found;
}

/** The place of the highest of `count` values from `start` on, counted from there; of equal ones the first. */
export function placeOfHighest(values: Float32Array, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}
