// The process under load: a keeper over an emulated watchdog and the real status socket, as holdfastd has them.
// petter.mjs EMULATOR SOCKET PET_INTERVAL_MS [--block]; tells 'armed', and its figures whenever it is asked for them.
import { createStatusServer } from '../../dist/src/api/status-server.js';
import { createWatchdog } from '../../dist/src/host/keeper-watchdog.js';
import { loadNative } from '../../dist/src/host/native.js';

const [emulator, socketPath, petIntervalMs, block] = process.argv.slice(2);
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
  return { p50Ms: lateness.quantileMs(0.5), p999Ms: lateness.quantileMs(0.999), maxMs: lateness.worstMs };
}

process.on('message', () => {
  const { wakeups, pets, failedPets, realtime, memoryLocked, state } = watchdog.stats();
  const { begun, done } = watchdog.lateness();
  const late = { begun: quantiles(begun), done: quantiles(done) };
  process.send({ bootMs: native.boottimeMs(), wakeups, pets, failedPets, realtime, memoryLocked, state, ...late });
});
// The bench has gone: nothing is to be protected here, and an emulated watchdog harms nobody.
process.on('disconnect', () => process.exit(0));

await server.listen();
const timing = { timeoutS: 60, petIntervalMs: Number(petIntervalMs) };
await watchdog.arm({ ...timing, leaseMs, leaseDeadlineMs: native.boottimeMs() + leaseMs });
process.send('armed');

if (block === '--block') {
  setInterval(() => {
    const end = performance.now() + blockedMs;
    while (performance.now() < end);
  }, breathMs);
}
