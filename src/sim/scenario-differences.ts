/**
 * Where Holdfast ends otherwise than the peer, on purpose. Every entry is checked whenever its scenario is run: what it
 * says must come about, and everything that it does not mention must be as the peer has it.
 */
export interface Difference {
  /** The scenario's directory, by the peer's name for it. */
  readonly scenario: string;
  /** What the peer ends with, in a few words. */
  readonly peer: string;
  /** What we end with, as far as it differs. */
  readonly ours: OtherOutcome;
  /** Why that is better for the user. */
  readonly why: string;
}

export interface OtherOutcome {
  /** By sid: `node1 started`; `* started`: on any node; null: it is not there. */
  readonly services?: Readonly<Record<string, string | null>>;
  readonly fenced?: readonly string[];
  readonly reset?: readonly string[];
}

export const differences: readonly Difference[] = [];
