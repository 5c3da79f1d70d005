import { HoldfastError } from '../core/errors.js';

/** Deeper than anything that is asked for here. */
const maxDepth = 16;

/** A string, or a mark of structure. In a text that is JSON nothing else matters here. */
const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/gs;

/**
 * JSON in which each name stands once in its object: of two, one reader takes the first and another the last.
 * @throws SyntaxError when it is not JSON; HF_ARGUMENT for a name given twice, `__proto__`, or more than 16 levels
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  /** The names in each object that is open; null for a list. */
  const open: (Set<string> | null)[] = [];
  let last = '';
  for (const [mark] of text.matchAll(token)) {
    if (mark === '{' || mark === '[') open.push(mark === '{' ? new Set() : null);
    else if (mark === '}' || mark === ']') open.pop();
    else if (mark === ':') takeName(open.at(-1) ?? null, String(JSON.parse(last)));
    if (open.length > maxDepth) throw new HoldfastError('HF_ARGUMENT', `the body has more than ${maxDepth} levels`);
    last = mark;
  }
  return value;
}

function takeName(names: Set<string> | null, name: string): void {
  if (name === '__proto__') throw new HoldfastError('HF_ARGUMENT', 'the name "__proto__" cannot be used');
  if (names?.has(name)) {
    throw new HoldfastError('HF_ARGUMENT', `the body has ${JSON.stringify(name.slice(0, 80))} twice: say it once`);
  }
  names?.add(name);
}
