import t from 'tap';
import { nearestName } from '../src/core/nearest-name.js';
import fc from './seeded-fast-check.js';

const known = ['fenceBoundMs', 'stateDir', 'socket', 'ip', 'IPaddr', 'IPaddr2'];

t.test('finds what was meant', async (t) => {
  const cases: [string, string | undefined][] = [
    ['fenceBound', 'fenceBoundMs'],
    ['fencebound_ms', 'fenceBoundMs'],
    ['SOCKET', 'socket'],
    ['sokcet', 'socket'],
    ['statedri', 'stateDir'],
    ['pi', 'ip'],
    ['nic', undefined],
    ['iip', 'ip'],
    ['IPaddr3', 'IPaddr2'],
    ['x', undefined],
    ['xy', undefined],
    ['', undefined],
    ['something else', undefined],
    ['s'.repeat(1000), undefined],
  ];
  for (const [name, expected] of cases) t.equal(nearestName(name, known), expected, name);
});

t.test('one mistake in a name of three or more characters is always forgiven', async (t) => {
  const mistakes = [
    (word: string, at: number) => `${word.slice(0, at)}#${word.slice(at + 1)}`,
    (word: string, at: number) => `${word.slice(0, at)}#${word.slice(at)}`,
    (word: string, at: number) => word.slice(0, at) + word.slice(at + 1),
    (word: string, at: number) => word.slice(0, at) + (word[at + 1] ?? '') + (word[at] ?? '') + word.slice(at + 2),
  ];
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z]{3,20}$/),
      fc.nat(),
      fc.constantFrom(...mistakes),
      (word, at, mistake) => nearestName(mistake(word, at % word.length), [word]) === word,
    ),
    { numRuns: 1000 },
  );
  t.pass();
});
