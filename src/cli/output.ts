import { HoldfastError } from '../core/errors.js';
import { coloured, type Paint, plain, printable } from './render.js';

/** Colour on a terminal, unless the user objects (no-color.org). */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  const objected = (process.env.NO_COLOR ?? '') !== '' || process.env.TERM === 'dumb';
  return stream.isTTY && !objected ? coloured : plain;
}

/**
 * Resolves when the text is out, so that a slow reader slows us down instead of filling our memory; with false when
 * nobody reads any more (`| head -1`), which is no failure.
 * @throws HF_OUTPUT
 */
export function print(text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => {
      if (!error) resolve(true);
      else if (codeOf(error) === 'EPIPE') resolve(false);
      else reject(cannotWrite(codeOf(error)));
    });
  });
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message;
}

function cannotWrite(cause: string): HoldfastError {
  const remedy = 'write it elsewhere, and look what was done before trying a change again';
  return new HoldfastError('HF_OUTPUT', `the output cannot be written (${cause}): ${remedy}`);
}

/** Something to know besides; not part of the answer. */
export function warn(text: string): void {
  process.stderr.write(`${paintFor(process.stderr)('notable', 'warning:')} ${printable(text)}\n`);
}

export function printJson(value: unknown): Promise<boolean> {
  return print(JSON.stringify(value, null, 2));
}

/** Dots on a terminal once something takes longer than two seconds. */
export function startProgress(what: string): () => void {
  if (!process.stderr.isTTY) return () => undefined;
  let shown = false;
  const show = () => {
    process.stderr.write(shown ? '.' : `waiting for ${what} `);
    shown = true;
  };
  let ticker: NodeJS.Timeout | undefined;
  const starter = setTimeout(() => {
    show();
    ticker = setInterval(show, 1_000);
  }, 2_000);
  return () => {
    clearTimeout(starter);
    clearInterval(ticker);
    if (shown) process.stderr.write('\n');
    shown = false;
  };
}

/** The answer; with progress while it does not come. */
export async function patiently<Answer>(what: string, answer: Promise<Answer>): Promise<Answer> {
  const stopProgress = startProgress(what);
  try {
    return await answer;
  } finally {
    stopProgress();
  }
}

/** Rejects when the user, or the system, wants an end; until `stop` is called. */
export function interruption(message: string): { readonly passed: Promise<never>; stop(): void } {
  let onSignal = (): void => undefined;
  const passed = new Promise<never>((_resolve, reject) => {
    onSignal = () => reject(new HoldfastError('HF_OUTCOME_UNKNOWN', message));
  });
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  return { passed, stop: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal) };
}
