/** What would become of a change: answered before anything is changed. */

export interface Place {
  readonly node: string | null;
  readonly state: string;
}

export interface PreviewedMove {
  readonly sid: string;
  readonly from: string | null;
  readonly to: string | null;
  /** `start`, `stop`, `migrate` (without a stop), `relocate` (stopped, then started). */
  readonly how: 'start' | 'stop' | 'migrate' | 'relocate';
  readonly reason: string;
}

export interface Preview {
  /** Why the change would be refused; null: it would be made. */
  readonly refused: string | null;
  /** Services whose place or state would change, before and after, by sid. */
  readonly before: Readonly<Record<string, Place>>;
  readonly after: Readonly<Record<string, Place>>;
  /** In the order in which they would happen. */
  readonly moves: readonly PreviewedMove[];
  /** What would be requested to run and find no node. */
  readonly unplaced: readonly { readonly sid: string; readonly reason: string }[];
  /** What the operator should know besides: rules that would be dropped, nodes that were not heard. */
  readonly warnings: readonly string[];
}
