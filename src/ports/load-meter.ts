/** What a node can carry, and what is used of it. Only placement asks; figures may be seconds old. */

export interface NodeLoad {
  /** What the machine has. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** What is in use, by anything: cores, bytes. */
  readonly usedCpus: number;
  readonly usedMemoryBytes: number;
}

export interface ServiceLoad {
  /** What it may use at most; 0: not known. */
  readonly maxCpus: number;
  readonly maxMemoryBytes: number;
  /** What it uses now. */
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface LoadMeter {
  /** Never blocks: the figures measured last; null: none yet. */
  node(): NodeLoad | null;
  /** Guests that run here and that nobody manages. */
  otherGuests(): number;
  /** Null: nothing is known of this one. */
  service(sid: string): ServiceLoad | null;
}
