/** Time as the agent sees it. Nothing else in the core's world may ask for the time. */
export interface Clock {
  /** CLOCK_BOOTTIME in milliseconds, an integer; the only clock that decisions use. */
  bootMs(): number;
  /** Wall-clock time in milliseconds since 1970; only ever printed. */
  wallMs(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
}
