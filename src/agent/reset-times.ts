/** How often the notes of a boot are written, milliseconds. */

/** Rarely enough for any disk, often enough to tell when a machine went. */
export const stampMs = 30_000;
/** While the lease runs out; that is never for long. */
export const troubledStampMs = 2_000;
/** How often the agent is looked at; only what is new is written. */
export const lookMs = 1_000;
/** A disk that is well has stored a small file by then. */
const storingMs = 2_000;
/** Notes of trouble are never older than this while the agent lives, on a disk that is well. */
export const troubledNotesMs = troubledStampMs + lookMs + storingMs;
