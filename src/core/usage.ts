/** What a node has and what is used of it; the fields of the load meter's answer. */
export interface NodeLoad {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** By anything at all, as measured. */
  readonly usedCpus: number;
  readonly usedMemoryBytes: number;
}

/** What a service may use at most (0: not known) and uses now. */
export interface ServiceLoad {
  readonly maxCpus: number;
  readonly maxMemoryBytes: number;
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** By what nodes are compared: number of services; what services may use at most; what is used now. */
export type Scheduling = 'basic' | 'static' | 'dynamic';
