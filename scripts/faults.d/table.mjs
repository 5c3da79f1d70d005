import {
  continuedAfterTakeover,
  resetAndTakeover,
  resetOrRideThrough,
  resetThoughCrashing,
  sameBootId,
  undisturbed,
} from './courses.mjs';
import { diskFull } from './disk-full.mjs';
import { powerLoss } from './power-loss.mjs';
import { queueFull } from './queue-full.mjs';

/**
 * The table of faults. `course` injects the fault and says what must follow; `note` is for the closing table.
 * `place`: where the resource has to run at the start, by the run's number; without it, wherever it runs.
 * `timesFactor`: so many times as often as the others.
 */
export const faults = [
  {
    name: 'link-cut',
    note: 'nothing comes in or goes out',
    course: (run) => resetAndTakeover(run, (lab, node) => lab.verb('cut', node)),
  },
  {
    name: 'cut-in',
    note: 'nothing comes in',
    course: (run) => resetOrRideThrough(run, (lab, node) => lab.verb('cut', node, 'in')),
  },
  {
    name: 'cut-out',
    note: 'nothing goes out',
    course: (run) => resetOrRideThrough(run, (lab, node) => lab.verb('cut', node, 'out')),
  },
  {
    name: 'corosync-killed',
    note: 'and not restarted',
    course: (run) => resetAndTakeover(run, (lab, node) => lab.verb('kill', node)),
  },
  {
    name: 'corosync-stopped',
    note: 'SIGSTOP, for ever',
    course: (run) => resetAndTakeover(run, (lab, node) => lab.verb('pause', node)),
  },
  {
    name: 'corosync-continued',
    note: 'watchdog withheld: the lab kills the resource when it would have fired; continued after the takeover, finds itself fenced',
    course: continuedAfterTakeover,
  },
  {
    name: 'corosync-queue-full',
    note: 'stopped for 110 s under large changes, on a node that runs nothing, now and then the leader',
    place: (number) => (number % 3) + 1,
    course: queueFull,
  },
  {
    name: 'agent-restarted',
    note: 'SIGKILL, restarted after 300 ms: no reset, same process of the resource',
    course: (run) => undisturbed(run, (lab, node) => lab.verb('agent-kill', node)),
  },
  {
    name: 'agent-killed',
    note: 'SIGKILL, not restarted',
    course: (run) =>
      resetAndTakeover(run, async (lab, node) => {
        await lab.verb('agent-hold', node);
        await lab.verb('agent-kill', node);
      }),
  },
  {
    name: 'agent-crashing',
    note: 'cut off, and SIGKILL every 2 s, restarted after 300 ms',
    course: resetThoughCrashing,
  },
  {
    name: 'agent-stopped',
    note: 'SIGSTOP, the keeper with it',
    course: (run) => resetAndTakeover(run, (lab, node) => lab.verb('agent-pause', node)),
  },
  {
    name: 'javascript-blocked',
    note: 'an endless loop; the keeper thread goes on',
    course: (run) =>
      resetAndTakeover(run, async (lab, node) => {
        process.kill(Number(await lab.verb('agent-pid', node)), 'SIGUSR2');
      }),
  },
  {
    name: 'disk-full',
    note: 'in turn on node 1 (leader), 2 and 3; no reset',
    place: (number) => ((number - 1) % 3) + 1,
    course: diskFull,
  },
  { name: 'same-boot-id', note: 'cut, fenced, and back as the same boot: reset again', course: sameBootId },
  {
    name: 'power-loss',
    note: 'all nodes at once under writes: what was committed is there',
    timesFactor: 4,
    course: powerLoss,
  },
];
