import { HoldfastError } from '../core/errors.js';

/** The options of `add` and `set` as commander gives them. */
export interface ResourceArguments {
  readonly agent?: string;
  readonly param?: readonly string[];
  readonly state?: string;
  readonly comment?: string;
  readonly maxRestart?: number;
}

/** An integer within a range. @throws HF_ARGUMENT */
export function parseInteger(name: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < lowest || value > highest) {
    throw new HoldfastError('HF_ARGUMENT', `${name} must be an integer from ${lowest} to ${highest}, not "${text}"`);
  }
  return value;
}

/** `name=value` of each; the value may be empty and have further equals signs. @throws HF_ARGUMENT */
export function parseParameters(pairs: readonly string[]): Readonly<Record<string, string>> {
  const parameters = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new HoldfastError('HF_ARGUMENT', `a parameter is written NAME=VALUE, not "${pair}"`);
    const name = pair.slice(0, at);
    if (parameters.has(name)) throw new HoldfastError('HF_ARGUMENT', `the parameter "${name}" is given twice`);
    parameters.set(name, pair.slice(at + 1));
  }
  return Object.fromEntries(parameters);
}

/** The options of a request's body. @throws HF_ARGUMENT */
export function bodyOf(pairs: readonly string[], given: ResourceArguments): Readonly<Record<string, unknown>> {
  const parameters = parseParameters([...(given.param ?? []), ...pairs]);
  return {
    agent: given.agent,
    state: given.state,
    comment: given.comment,
    maxRestart: given.maxRestart,
    parameters: Object.keys(parameters).length === 0 ? undefined : parameters,
  };
}
