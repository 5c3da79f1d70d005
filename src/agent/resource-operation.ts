import { AssertionError } from '../core/assert.js';
import type { Effect } from '../core/effects.js';
import type { OperationOutcome } from '../core/lrm-outcome.js';
import type { OperationResult, ResourceDriver } from '../ports/resource-driver.js';

/** How often to look after a resource of which that cannot be found out, or that has no driver. */
const defaultIntervalMs = 10_000;
const driverlessIntervalMs = 60_000;

/** What the core asks to be done with a resource, done by the driver of its type. Rejects only for a defect. */
export async function operate(
  drivers: ReadonlyMap<string, ResourceDriver>,
  effect: Effect & { type: 'operate' },
  targetName: string,
): Promise<OperationOutcome> {
  const { operationId, service } = effect;
  const type = service.sid.slice(0, service.sid.indexOf(':'));
  const driver = drivers.get(type);
  if (driver === undefined) {
    const detail = `this node has no driver for resources of type '${type}'`;
    return { operationId, outcome: 'error', permanent: true, detail, monitorIntervalMs: driverlessIntervalMs };
  }
  const [{ outcome, permanent, detail }, monitorIntervalMs] = await Promise.all([
    drive(driver, effect, targetName),
    driver.monitorIntervalMs(service).catch(() => defaultIntervalMs),
  ]);
  return { operationId, outcome, permanent, detail, monitorIntervalMs };
}

function drive(
  driver: ResourceDriver,
  { operation, service, timeoutMs }: Effect & { type: 'operate' },
  targetName: string,
): Promise<OperationResult> {
  const limitMs = timeoutMs ?? undefined;
  if (operation !== 'migrate') return driver.run(operation, service, limitMs);
  if (driver.migrate !== undefined) return driver.migrate(service, targetName, limitMs);
  throw new AssertionError(`${service.sid} is to be migrated by a driver that cannot`);
}
