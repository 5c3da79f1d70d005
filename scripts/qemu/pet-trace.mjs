/** What the kernel's trace says of the watchdog: a line for each call of a function that guest/trace has a probe on. */

/** `holdfastd-231 [000] ..... 12.345678: pet_softdog_ping: (softdog_ping+0x0/0x30 [softdog])`; null: another line. */
export function parseTraceLine(line) {
  const match = /^\s*(.+)-(\d+)\s+\[\d+\]\s+\S+\s+(\d+\.\d+): (pet|close)_(\w+): /.exec(line);
  if (match === null) return null;
  const [, program, thread, seconds, kind, name] = match;
  return { program, thread: Number(thread), bootMs: Math.round(Number(seconds) * 1e6) / 1e3, kind, name };
}
