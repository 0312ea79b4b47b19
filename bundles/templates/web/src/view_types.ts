// What a view of an answer gives the page.

/** A line of the list. */
export interface Row {
  readonly label: string;
  readonly score: string;
  /** how long the bar behind it is, of 1 */
  readonly share: number;
}

/** A colour for each class. */
export function colourOf(index: number): string {
  return `hsl(${(index * 137.5) % 360} 80% 50%)`;
}
