import { writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';

/** journald's priorities (sd-daemon(3)) for pino's levels. */
const priorities: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

/**
 * Lines of JSON on standard output, written synchronously: what was decided last must not be lost with the node.
 * Under systemd each carries the prefix that gives journald its level.
 */
export function createLogger(level: string, underJournal: boolean): Logger {
  // Node makes a pipe or socket non-blocking when it opens it as this stream (measured): else one that nobody reads, as
  // when journald hangs, would hold up the agent.
  void process.stdout;
  let torn = false;
  const destination = {
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 30,
    write(line: string): void {
      const prefix = underJournal ? `<${priorities[this.lastLevel] ?? 6}>` : '';
      const written = writeLine(`${torn ? '\n' : ''}${prefix}${line}`);
      // After a line that is lost as a whole, the end of the one before is still missing.
      if (written !== 'lost') torn = written === 'torn';
    },
  };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** A full pipe or a closed one costs the line, or its end, never the agent. */
function writeLine(line: string): 'whole' | 'torn' | 'lost' {
  const bytes = Buffer.from(line);
  try {
    return writeSync(1, bytes) === bytes.length ? 'whole' : 'torn';
  } catch {
    // Nobody is left to be told.
    return 'lost';
  }
}
