import { HoldfastError } from '../core/errors.js';
import type { ScenarioOutcome } from './scenario.js';
import { type Difference, differences, type OtherOutcome } from './scenario-differences.js';
import { findScenarios, readScenario } from './scenario-directory.js';
import { fileProblem, parseScenarioJson, readScenarioText } from './scenario-file.js';
import { expectation } from './scenario-formats.js';
import { simulate } from './simulate.js';

/** Runs scenarios and compares what they end with. */

/** What a scenario is to end with; `end` is not compared, for times differ. */
export interface Expectation {
  readonly services: Readonly<Record<string, ExpectedService>>;
  readonly fenced: readonly string[];
  readonly reset: readonly string[];
}

export interface ExpectedService {
  readonly node: string | null;
  readonly state: string;
  /** Where it truly runs; the peer's scenarios do not say. */
  readonly running?: readonly string[] | undefined;
}

export type Verdict = 'as expected' | 'differs on purpose' | 'differs' | 'failed';

export interface ScenarioResult {
  readonly scenario: string;
  readonly verdict: Verdict;
  /** What is otherwise than it should be, or why it could not be run. */
  readonly problems: readonly string[];
  /** The entry of the table that it follows. */
  readonly difference: Difference | null;
  readonly outcome: ScenarioOutcome | null;
}

/**
 * Of all scenarios at or below the directories, as they end.
 * @throws HoldfastError HF_ARGUMENT before any is run, if there is none below one of the directories
 */
export async function* runScenarios(
  directories: readonly string[],
  table: readonly Difference[] = differences,
): AsyncGenerator<ScenarioResult> {
  const found: string[] = [];
  for (const directory of directories) found.push(...(await scenariosBelow(directory)));
  for (const each of found) yield await runScenario(each, table);
}

async function scenariosBelow(directory: string): Promise<string[]> {
  const found = await findScenarios(directory);
  if (found.length > 0) return found;
  const text = `there is no scenario in ${directory}: one is a directory that has a cmdlist`;
  throw new HoldfastError('HF_ARGUMENT', text);
}

export async function runScenario(directory: string, table: readonly Difference[]): Promise<ScenarioResult> {
  const name = directory.slice(directory.lastIndexOf('/') + 1);
  const none = { scenario: name, difference: null, outcome: null };
  try {
    const scenario = await readScenario(directory);
    const expected = await readExpectation(directory);
    const outcome = await simulate(scenario);
    return judge(scenario.name, outcome, expected, table);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { ...none, verdict: 'failed', problems: [error.message] };
  }
}

async function readExpectation(directory: string): Promise<Expectation> {
  const file = 'expect.json';
  const text = await readScenarioText(directory, file);
  if (text !== null && text.trim() !== '') return parseScenarioJson(directory, file, text, expectation);
  const what = text === null ? 'is missing' : 'is empty';
  throw fileProblem(directory, file, `it ${what}: write there what the scenario is to end with`);
}

/** Whether it ends as the peer does, or as the table says. */
export function judge(
  scenario: string,
  outcome: ScenarioOutcome,
  expected: Expectation,
  table: readonly Difference[],
): ScenarioResult {
  const difference = table.find((entry) => entry.scenario === scenario) ?? null;
  const base = { scenario, difference, outcome };
  const broken = outcome.violations.map((text) => `violation: ${text}`);
  const fromPeer = compare(outcome, expected, {});
  if (broken.length > 0) return { ...base, verdict: 'differs', problems: [...broken, ...fromPeer] };
  if (difference === null) {
    return { ...base, verdict: fromPeer.length === 0 ? 'as expected' : 'differs', problems: fromPeer };
  }
  if (fromPeer.length === 0 && difference.predicted) return { ...base, verdict: 'as expected', problems: [] };
  if (fromPeer.length === 0) {
    const text = 'it ends as the peer does, though the table of deliberate differences says otherwise';
    return { ...base, verdict: 'differs', problems: [text] };
  }
  const problems = compare(outcome, expected, difference.ours);
  return { ...base, verdict: problems.length === 0 ? 'differs on purpose' : 'differs', problems };
}

function compare(outcome: ScenarioOutcome, expected: Expectation, other: OtherOutcome): string[] {
  const { services = {} } = other;
  const sids = new Set([
    ...Object.keys(outcome.services),
    ...Object.keys(expected.services),
    ...Object.keys(services).filter((sid) => sid !== '*'),
  ]);
  const problems: string[] = [];
  for (const sid of [...sids].sort()) {
    const is = shown(outcome.services[sid]);
    const should = shouldBe(services, sid, expected.services[sid]);
    const fits = should.startsWith('* ') ? is.endsWith(should.slice(1)) : is === should;
    if (!fits) problems.push(`${sid}: ${is} instead of ${should}`);
    const runs = outcome.services[sid]?.running.join(' ') || 'nowhere';
    const shouldRun = expected.services[sid]?.running?.join(' ');
    if (fits && shouldRun !== undefined && runs !== (shouldRun || 'nowhere')) {
      problems.push(`${sid} runs ${runs} instead of ${shouldRun || 'nowhere'}`);
    }
  }
  for (const list of ['fenced', 'reset'] as const) {
    const is = outcome[list].join(' ') || 'nobody';
    const should = (other[list] ?? expected[list]).join(' ') || 'nobody';
    if (is !== should) problems.push(`${list}: ${is} instead of ${should}`);
  }
  return problems;
}

function shouldBe(
  services: NonNullable<OtherOutcome['services']>,
  sid: string,
  fromPeer: ExpectedService | undefined,
): string {
  const key = Object.hasOwn(services, sid) ? sid : '*';
  const said = Object.hasOwn(services, key) ? (services[key] ?? absent) : shown(fromPeer);
  if (said !== '*') return said;
  return fromPeer === undefined ? absent : `* ${fromPeer.state}`;
}

const absent = 'not there';

function shown(service: { readonly node: string | null; readonly state: string } | undefined): string {
  return service === undefined ? absent : `${service.node ?? 'nowhere'} ${service.state}`;
}
