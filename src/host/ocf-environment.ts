import type { AgentName } from './ocf-definition.js';

export interface AgentSurroundings {
  readonly ocfRoot: string;
  /** Where agents keep their own state until the next boot (HA_RSCTMP). */
  readonly runtimeDirectory: string;
}

/** OCF Resource Agent API 1.1. */
const apiMajor = '1';
const apiMinor = '1';
/** systemd's default for services. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * All that an agent finds in its environment; nothing of the caller's is passed on. The other HA_ variables
 * of resource-agents have defaults in ocf-directories; without HA_LOGFACILITY and HA_LOGFILE agents log to
 * standard error, where the driver reads it.
 */
export function baseEnvironment(name: AgentName, surroundings: AgentSurroundings): Record<string, string> {
  return {
    PATH: path,
    LC_ALL: 'C',
    OCF_ROOT: surroundings.ocfRoot,
    OCF_RA_VERSION_MAJOR: apiMajor,
    OCF_RA_VERSION_MINOR: apiMinor,
    OCF_RESOURCE_TYPE: name.agent,
    OCF_RESOURCE_PROVIDER: name.provider,
    HA_RSCTMP: surroundings.runtimeDirectory,
    HA_VARRUN: '/var/run',
  };
}

export interface OperationContext {
  readonly operation: string;
  /** The resource's name, without its type. */
  readonly instance: string;
  readonly timeoutMs: number;
  /** 0 for start and stop, and for a monitor that is a probe: agents tell probes by it (ocf_is_probe). */
  readonly intervalMs: number;
  readonly parameters: Readonly<Record<string, string>>;
}

export function operationEnvironment(context: OperationContext): Record<string, string> {
  const { operation, instance, timeoutMs, intervalMs, parameters } = context;
  return {
    ...Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`OCF_RESKEY_${name}`, value])),
    OCF_RESOURCE_INSTANCE: instance,
    OCF_RESKEY_CRM_meta_name: operation,
    OCF_RESKEY_CRM_meta_timeout: String(timeoutMs),
    OCF_RESKEY_CRM_meta_interval: String(intervalMs),
    ...(operation === 'monitor' ? { OCF_CHECK_LEVEL: '0' } : {}),
  };
}
