// The process under load: a keeper over an emulated watchdog and the real status socket, as holdfastd has them.
// petter.mjs EMULATOR SOCKET PET_INTERVAL_MS LOAD; tells 'ready', and its figures whenever it is asked for them. Asked to
// 'arm', it tells those of just before.
import { createStatusServer } from '../../dist/src/api/status-server.js';
import { createWatchdog } from '../../dist/src/host/keeper-watchdog.js';
import { loadNative } from '../../dist/src/host/native.js';

const [emulator, socketPath, petIntervalMs, load] = process.argv.slice(2);
const leaseMs = 3_600_000;
/** What JavaScript is blocked for at a time, and how long it may breathe in between to answer the bench. */
const blockedMs = 5_000;
const breathMs = 20;

const native = loadNative();
const watchdog = createWatchdog({ emulator }, native);

// Who is stuck never gets as far as asking for something: no route is reached.
const control = new Proxy({}, { get: () => () => Promise.reject(new Error('nothing is behind this socket')) });
const log = { warn: () => undefined, error: () => undefined };
const server = createStatusServer({ socketPath, control, peerCredentials: (fd) => native.peerCredentials(fd), log });

function quantiles(lateness) {
  const at = (part) => lateness.quantileMs(part);
  return { planned: lateness.pets, p50Ms: at(0.5), p999Ms: at(0.999), maxMs: lateness.worstMs };
}

/** Read again if a pet came in between: it would be in one of the two only. */
function ofOneMoment() {
  for (;;) {
    const { wakeups, pets, failedPets, memoryLocked } = watchdog.stats();
    const { begun, done } = watchdog.lateness();
    const again = watchdog.stats();
    if (again.pets + again.failedPets !== pets + failedPets) continue;
    return { wakeups, pets, failedPets, memoryLocked, begun: quantiles(begun), done: quantiles(done) };
  }
}

async function arm() {
  const timing = { timeoutS: 60, petIntervalMs: Number(petIntervalMs) };
  await watchdog.arm({ ...timing, leaseMs, leaseDeadlineMs: native.boottimeMs() + leaseMs });
  if (load !== 'javascript') return;
  setInterval(() => {
    const end = performance.now() + blockedMs;
    while (performance.now() < end);
  }, breathMs);
}

process.on('message', async (wanted) => {
  const figures = { bootMs: native.boottimeMs(), ...ofOneMoment() };
  if (wanted === 'arm') await arm();
  process.send(figures);
});

await server.listen();
process.send('ready');
