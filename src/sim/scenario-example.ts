import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../core/errors.js';
import { causeOf, codeOf } from './scenario-file.js';

/** A directory to play with: three nodes, six VMs, and a node that loses its network. */

const files: Readonly<Record<string, string>> = {
  README: `A working directory of holdfast simulate.

cmdlist                 what happens: a list of commands every 100 seconds, the first after 20
hardware_status         the nodes, with maxcpu (cores) and maxmem (bytes) if you like
service_config          the services, each with its node and the state that is asked for
manager_status          what an earlier manager had noted; {} for a new cluster
rules_config            node-affinity and resource-affinity rules
datacenter.cfg          {"crs": {"ha": "static"}, "ha": {"shutdown_policy": "migrate", "freeze-limit": 600}}
static_service_stats    what services may need: {"vm:101": {"maxcpu": 4, "maxmem": 8589934592}}
dynamic_service_stats   what they use: {"vm:101": {"cpu": 1.5, "mem": 2147483648}}

Commands:
  power|network NODE on|off           reboot|shutdown|restart-lrm NODE
  cfs NODE rw work|fail               crm NODE enable-node-maintenance|disable-node-maintenance
  crm NODE disarm-ha freeze|ignore    crm NODE arm-ha
  service SID started|stopped|disabled|ignored
  service SID migrate|relocate NODE   service SID stop SECONDS
  service SID add NODE [STATE]        service SID delete
  service SID lock|unlock             delay SECONDS
  service SID set-static-stats maxcpu CORES maxmem MIB
  service SID set-dynamic-stats cpu CORES mem MIB
`,
  cmdlist: `[
    [ "power node1 on", "power node2 on", "power node3 on" ],
    [ "service vm:104 migrate node1" ],
    [ "network node3 off" ],
    [ "power node3 on" ]
]
`,
  hardware_status: `{
    "node1": { "power": "off", "network": "off" },
    "node2": { "power": "off", "network": "off" },
    "node3": { "power": "off", "network": "off" }
}
`,
  manager_status: '{}\n',
  service_config: `{
    "vm:101": { "node": "node1", "state": "started" },
    "vm:102": { "node": "node1", "state": "started" },
    "vm:103": { "node": "node2", "state": "started" },
    "vm:104": { "node": "node2", "state": "started" },
    "vm:105": { "node": "node3", "state": "started" },
    "vm:106": { "node": "node3", "state": "stopped" }
}
`,
  rules_config: `resource-affinity: databases-apart
    resources vm:101,vm:103
    affinity negative

node-affinity: prefers-node3
    resources vm:105
    nodes node3
`,
};

/**
 * Writes it, and returns the names of the files.
 * @throws HoldfastError HF_EXISTS if there is something in the directory already; HF_OUTPUT if it cannot be written
 */
export async function createScenario(directory: string): Promise<string[]> {
  try {
    await makeDirectory(directory);
    if ((await readdir(directory)).length > 0) {
      throw new HoldfastError('HF_EXISTS', `${directory} is not empty: name a new directory`);
    }
    // Never over a file that somebody else has made meanwhile.
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text, { flag: 'wx' });
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const why = codeOf(error) === 'ENOENT' ? 'nothing can be made there: choose another place' : causeOf(error);
    throw new HoldfastError('HF_OUTPUT', `no scenario can be made in ${directory}: ${why}`);
  }
  return Object.keys(files);
}

/** With those above it. Not mkdir's own `recursive`: in Node 20 that never ends where nothing can be made, as in /proc. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    const parent = dirname(directory);
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || parent === directory) throw error;
    await makeDirectory(parent);
    await mkdir(directory);
  }
}
