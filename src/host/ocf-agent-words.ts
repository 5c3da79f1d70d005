const maxWords = 300;

/** How ocf-shellfuncs writes to standard error: an optional date, a level. */
const prefix = /^(?:ocf-exit-reason:|(?:[A-Z][a-z]{2} +\d+ [\d:]{8} )?(?:(?:CRIT|ERROR|WARNING|WARN|INFO|DEBUG): *)?)/;

/** Best first: the reason that the agent gives for its exit (`ocf_exit_reason`), errors, warnings, any last line. */
const preferences = [/^ocf-exit-reason:/, /\b(?:ERROR|CRIT)\b/, /\bWARN(?:ING)?\b/, /\S/];

/**
 * The one line among what an agent wrote that says best what happened; empty when it wrote nothing.
 * It comes from outside: control characters are replaced, its length is bounded.
 */
export function agentWords(stderr: string, stdout: string): string {
  for (const output of [stderr, stdout]) {
    const lines = output.split('\n').filter((line) => line.replace(prefix, '').trim() !== '');
    for (const preference of preferences) {
      const line = lines.findLast((candidate) => preference.test(candidate));
      if (line !== undefined) return clean(line.replace(prefix, ''));
    }
  }
  return '';
}

function clean(line: string): string {
  const text = line.replace(/\p{C}/gu, ' ').trim();
  return text.length <= maxWords ? text : `${text.slice(0, maxWords - 3)}...`;
}
