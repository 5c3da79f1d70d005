/** What one client, or all of them together, may cost. */
export const serverLimits = {
  /** Open sockets, those included that are only told to come back later. */
  connections: 128,
  served: 120,
  /** Of the served, how many may be others than root, so that they cannot lock root out. */
  servedOfOthers: 104,
  mutations: 32,
  /** After that the caller is told that the outcome is unknown. */
  mutationMs: 120_000,
  /** How long an answer about a shutdown that is being prepared may take. */
  shutdownMs: 60_000,
  /** Decisions in one answer. */
  decisions: 1_000,
  headerBytes: 8_192,
  headersMs: 5_000,
  requestMs: 10_000,
  keepAliveMs: 5_000,
  /** How long `close` waits for answers that are on their way. */
  closeMs: 1_000,
} as const;
