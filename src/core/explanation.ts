/** Why a service is where it is. */

export interface NodeVerdict {
  readonly name: string;
  readonly verdict: 'here' | 'best' | 'possible' | 'excluded';
  /** Rule by rule, in sentences. */
  readonly sentences: readonly string[];
}

export interface Explanation {
  readonly sid: string;
  readonly state: string;
  readonly node: string | null;
  /** What it is, since when (log index), why, and what comes next; in sentences. */
  readonly sentences: readonly string[];
  readonly nodes: readonly NodeVerdict[];
}
