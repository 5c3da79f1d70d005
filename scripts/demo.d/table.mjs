import { backAfterBoundMs } from './figures.mjs';

/** Whether all held that was promised. */
export function allHeld({ bound, service, safety }) {
  return bound.held && service.held && safety.held;
}

/** @returns lines `{ tone, text }` */
export function tableOf(figures, { boundMs, cutNode }) {
  const watchdog = `${cutNode}'s watchdog`;
  const rows = [
    ['cut → quorum lost', time(figures.quorumLostMs), `corosync on ${cutNode}`],
    ['cut → last pet', time(figures.lastPetMs), watchdog],
    ['cut → reset', time(figures.resetMs), watchdog],
    ['cut → service answers again', time(figures.backMs), 'the client'],
    ['requests lost', `${figures.lost} of ${figures.requests}`, 'the client'],
  ];
  const verdicts = [
    [`bound: reset within ${boundMs / 1000} s`, figures.bound],
    [`service back within ${(boundMs + backAfterBoundMs) / 1000} s`, figures.service],
    ['safety rule: never on two nodes', figures.safety],
  ];
  const widest = (texts) => Math.max(...texts.map((text) => text.length));
  const names = widest([...rows, ...verdicts].map(([name]) => name));
  const values = widest(['DID NOT HOLD', ...rows.map(([, value]) => value)]);
  const rule = { tone: 'faint', text: '─'.repeat(names + values + 24) };
  return [
    { tone: 'strong', text: `${'what'.padEnd(names)}  ${'measured'.padStart(values)}  by` },
    rule,
    ...rows.map(([name, value, by]) => ({
      tone: 'plain',
      text: `${name.padEnd(names)}  ${value.padStart(values)}  ${by}`,
    })),
    rule,
    ...verdicts.map(([name, verdict]) => verdictLine(name.padEnd(names), verdict, values)),
  ];
}

function verdictLine(name, { held, why }, width) {
  return { tone: held ? 'good' : 'bad', text: `${name}  ${(held ? 'held' : 'DID NOT HOLD').padStart(width)}  ${why}` };
}

function time(ms) {
  return ms === null ? 'never' : `${(ms / 1000).toFixed(2)} s`;
}
