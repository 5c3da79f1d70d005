import { unknownBoard } from '../host/board.js';
import type { Validation } from '../host/validation-record.js';
import type { KnownWatchdog } from '../host/watchdog-choice.js';
import { type Paint, printable, seconds, section } from './render.js';
import type { WatchdogList } from './watchdog-list.js';

export function renderWatchdogs(list: WatchdogList, paint: Paint): readonly string[] {
  return [
    `${boardOf(list.board)}${list.firmware === null ? '' : `, firmware ${printable(list.firmware)}`}`,
    ...list.watchdogs.flatMap((watchdog) => renderWatchdog(watchdog, list.choice !== null, paint)),
    ...list.notes.map((note) => paint('notable', printable(note))),
    renderChoice(list.choice, paint),
  ];
}

function boardOf(board: string): string {
  return board === unknownBoard ? board : `board ${printable(board)}`;
}

function renderChoice(choice: WatchdogList['choice'], paint: Paint): string {
  if (choice === null) return paint('notable', 'which one the agent takes cannot be told');
  const { device, reason, problem } = choice;
  if (device === null) return `${paint('bad', 'the agent takes none')}: ${printable(reason)}`;
  if (problem === null) return `the agent takes ${printable(device)}: ${printable(reason)}`;
  const would = paint('bad', `the agent would take ${printable(device)}`);
  return `${would} (${printable(reason)}), but starts nothing until this is mended: ${printable(problem)}`;
}

/** @param isRead what is known of it could be read */
function renderWatchdog(watchdog: KnownWatchdog, isRead: boolean, paint: Paint): readonly string[] {
  const kind = watchdog.kind === 'hardware' ? '' : ` (${paint('notable', 'not hardware')}: a hung kernel is not reset)`;
  const driver = watchdog.driver === null ? 'driver unknown' : `driver ${printable(watchdog.driver)}`;
  return section(watchdog.device, [
    `${printable(watchdog.identity)}, ${driver}${kind}`,
    stateOf(watchdog),
    holderOf(watchdog),
    ...(watchdog.problem === null ? [] : [`${paint('bad', 'refused')}: ${printable(watchdog.problem)}`]),
    isRead ? knowledgeOf(watchdog, paint) : paint('notable', 'whether it was validated cannot be read'),
  ]);
}

function stateOf(watchdog: KnownWatchdog): string {
  if (!watchdog.inSysfs) {
    const timeout = watchdog.timeoutS > 0 ? `, timeout ${watchdog.timeoutS} s` : '';
    return `not in sysfs${timeout}: only opening it would tell more, and arm it`;
  }
  const { minTimeoutS, maxTimeoutS, timeLeftS } = watchdog;
  const left = timeLeftS === null ? '' : `, ${timeLeftS} s left`;
  return [
    watchdog.active ? `counting${left}` : 'idle',
    `timeout ${watchdog.timeoutS} s (${minTimeoutS} to ${maxTimeoutS > 0 ? maxTimeoutS : 'any'})`,
    `pretimeout ${watchdog.pretimeoutS} s`,
    watchdog.nowayout ? 'nowayout' : 'can be stopped',
  ].join(', ');
}

function holderOf({ holder, active }: KnownWatchdog): string {
  if (holder === null) return active ? 'open by nobody that can be seen; the kernel may pet it' : 'open by nobody';
  const setting = holder.setting === null ? '' : `, ${holder.setting}`;
  return `open by pid ${holder.pid} (${printable(holder.program)}${printable(setting)})`;
}

function knowledgeOf({ validation, foreign, damagedRecord }: KnownWatchdog, paint: Paint): string {
  if (damagedRecord !== null)
    return `${paint('bad', 'its record is damaged')} (${printable(damagedRecord)}): validate it again`;
  if (validation !== null) return verdictLine(validation, paint);
  if (foreign === null)
    return paint('notable', "never validated: 'holdfast watchdog validate' resets this machine by it");
  return foreignLine(foreign.validation, foreign.why, paint);
}

function foreignLine({ sentence }: Validation, why: string, paint: Paint): string {
  return `${paint('notable', 'a verdict that does not count')} (${printable(why)}): ${printable(sentence)}`;
}

/** A verdict with all that was measured. @param why it does not count for this machine as it is; null: it does */
export function renderValidation(validation: Validation, why: string | null, paint: Paint): readonly string[] {
  const { pets, rounding, timeLeftS } = validation;
  const rounded = rounding.filter(({ askedS, setS }) => askedS !== setS);
  const roundings = rounded.map(({ askedS, setS }) => `${askedS} s ${setS === null ? 'refused' : `becomes ${setS} s`}`);
  return section(`${validation.device} (${printable(validation.identity)})`, [
    why === null ? verdictLine(validation, paint) : foreignLine(validation, why, paint),
    ...validation.evidence.map(printable),
    `${boardOf(validation.board)}, firmware ${printable(validation.firmware ?? 'unknown')}, driver ${printable(validation.driver ?? 'unknown')}`,
    ...(rounding.length === 0
      ? []
      : [`timeouts: ${roundings.length === 0 ? 'taken as they are' : roundings.join(', ')}`]),
    ...(timeLeftS === null ? [] : [`time left after a pet: ${timeLeftS} s`]),
    ...(pets === null
      ? []
      : [`a pet takes ${pets.medianMs.toFixed(3)} ms, at most ${pets.maxMs.toFixed(3)} ms of ${pets.count}`]),
  ]);
}

function verdictLine(validation: Validation, paint: Paint): string {
  const tone = validation.verdict === 'resets' ? 'good' : 'bad';
  const words = { resets: 'resets this machine', 'did-not-reset': 'DID NOT RESET', unfinished: 'no verdict' } as const;
  const { measuredMs, uncertaintyMs } = validation;
  const figure =
    measuredMs === null || uncertaintyMs === null
      ? ''
      : `, after ${seconds(measuredMs)} ± ${seconds(uncertaintyMs)} of ${validation.timeoutS} s`;
  const kappa = validation.kappa === null ? '' : `, kappa ${validation.kappa}`;
  return `${paint(tone, words[validation.verdict])}${figure}${kappa} (validated ${printable(validation.when)}): ${printable(validation.sentence)}`;
}
