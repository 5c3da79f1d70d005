import type { ResourceSettings } from './cluster-state.js';

/** What a resource has that nobody said anything else about. */
export const settingDefaults = {
  comment: '',
  maxRestart: 1,
  maxRelocate: 1,
  failback: true,
  autoRebalance: true,
  group: null,
  priority: 0,
  requires: [],
  after: [],
  cpus: 0,
  memoryMiB: 0,
} as const satisfies Partial<ResourceSettings>;
