const sgr = { good: '32', bad: '31;1', notable: '33', faint: '2', strong: '1', plain: '' };

/** Plain lines; on a terminal in colour, with a status line below them that is written over in place. */
export class Screen {
  #stream;
  #inPlace;
  #coloured;
  #status = '';

  constructor(stream, environment) {
    this.#stream = stream;
    this.#inPlace = stream.isTTY === true && environment.TERM !== 'dumb';
    this.#coloured = this.#inPlace && !environment.NO_COLOR;
  }

  text(text = '', tone = 'plain') {
    this.#write(`${this.#paint(tone, text)}\n`);
  }

  /** `atMs`: since the cut; null: before it. */
  line(atMs, who, tone, text) {
    const time = atMs === null ? '' : `+${seconds(atMs, 2).padStart(6)} s`;
    this.#write(
      `${this.#paint('faint', time.padEnd(9))}  ${this.#paint('strong', who.padEnd(6))}  ${this.#paint(tone, text)}\n`,
    );
  }

  /** What is true at the moment, until the next one; '' for nothing. */
  status(text) {
    if (!this.#inPlace || text === this.#status) return;
    this.#status = text.slice(0, (this.#stream.columns || 80) - 1);
    this.#write('');
  }

  #write(lines) {
    if (!this.#inPlace) this.#stream.write(lines);
    else this.#stream.write(`\r\u001b[K${lines}${this.#paint('faint', this.#status)}`);
  }

  #paint(tone, text) {
    return this.#coloured && sgr[tone] !== '' && text !== '' ? `\u001b[${sgr[tone]}m${text}\u001b[0m` : text;
  }
}

export function seconds(ms, digits = 1) {
  return (ms / 1000).toFixed(digits);
}

export function bar(share, width = 20) {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${'#'.repeat(full)}${'.'.repeat(width - full)}]`;
}
