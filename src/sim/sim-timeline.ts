/** Virtual time: what happens next, in order of time and, at one time, of scheduling. */
export interface SimEvent {
  atMs: number;
  order: number;
  /** Null: cancelled, or has happened. */
  run: (() => void) | null;
}

export class Timeline {
  /** Milliseconds since the world began, fractions allowed. */
  nowMs = 0;
  /** Events that have happened. */
  count = 0;
  readonly #heap: SimEvent[] = [];
  #order = 0;

  /** Never before now. */
  at(atMs: number, run: () => void): SimEvent {
    const event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run };
    this.#push(event);
    return event;
  }

  after(delayMs: number, run: () => void): SimEvent {
    return this.at(this.nowMs + delayMs, run);
  }

  cancel(event: SimEvent): void {
    event.run = null;
  }

  /** When something happens next; infinity: nothing will. */
  nextMs(): number {
    this.#dropCancelled();
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Lets the next event happen, if it is due by then; false: none is. */
  step(untilMs: number): boolean {
    this.#dropCancelled();
    const next = this.#heap[0];
    if (next === undefined || next.atMs > untilMs) return false;
    this.#pop();
    this.nowMs = next.atMs;
    this.count++;
    const { run } = next;
    next.run = null;
    run?.();
    return true;
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.run === null) this.#pop();
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, event)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    const end = heap.length;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const a = heap[left];
      if (left >= end || a === undefined) break;
      const b = heap[left + 1];
      const right = b !== undefined && isBefore(b, a);
      const child = right ? b : a;
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = right ? left + 1 : left;
    }
    heap[at] = last;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
