/** What the emulators' logs say. Pure. Instants are CLOCK_BOOTTIME milliseconds. */

/** Also what pets by the way, as the kernel does: a timeout that is set, a close without magic, the first open. */
function isPet({ event, active, wasActive, error }) {
  if (event === 'pet') return active;
  if (event === 'open') return active && !wasActive;
  return event === 'release-pet' || (event === 'settimeout' && error === 0);
}

/** Of one emulator's events the first reset after `sinceMs`; null: there was none. */
export function resetAfter(events, sinceMs) {
  const killed = events.find(({ event, bootMs }) => event === 'killed' && bootMs > sinceMs);
  return killed === undefined
    ? null
    : { atMs: killed.bootMs, cause: killed.cause, lastPetMs: lastPetBefore(events, killed.bootMs) };
}

/** Of a watchdog that was switched to no-reboot: when it would have reset first. */
export function resetWithheldAfter(events, sinceMs) {
  const withheld = events.find(({ event, bootMs }) => event === 'no-reboot' && bootMs > sinceMs);
  return withheld === undefined
    ? null
    : { atMs: withheld.bootMs, cause: withheld.cause, lastPetMs: lastPetBefore(events, withheld.bootMs) };
}

export function petsBetween(events, fromMs, toMs) {
  return events.filter((event) => isPet(event) && event.bootMs > fromMs && event.bootMs < toMs);
}

function lastPetBefore(events, atMs) {
  return petsBetween(events, Number.NEGATIVE_INFINITY, atMs).at(-1)?.bootMs ?? null;
}

/** The longest time between two pets; 0: fewer than two. */
export function longestPetGapMs(events) {
  const pets = events.filter(isPet);
  return pets.slice(1).reduce((longest, pet, i) => Math.max(longest, pet.bootMs - pets[i].bootMs), 0);
}
