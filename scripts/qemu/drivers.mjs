/**
 * The watchdogs, each with what QEMU needs for it, the functions of its driver that pet it, and the law by which its
 * hardware resets: from the last pet, for a timeout of so many seconds.
 *
 * `announced`: QEMU sends a WATCHDOG event when it fires. `sysfs`: the kernel knows its state. `tells`: after the boot
 * its driver says that it has caused the reset.
 */
export const drivers = [
  {
    name: 'i6300esb',
    machine: 'pc',
    devices: ['-device', 'i6300esb'],
    modules: ['i6300esb'],
    pets: ['esb_timer_keepalive', 'esb_timer_start', 'esb_timer_set_heartbeat'],
    close: 'watchdog_release',
    sysfs: true,
    announced: true,
    tells: true,
    kappa: 1,
    // Two stages, each of 512 ticks a second asked for; a tick is 2^15 cycles of a PCI clock of 30 ns.
    resetMs: (timeoutS) => (2 * timeoutS * 512 * 2 ** 15 * 30) / 1e6,
  },
  {
    name: 'softdog',
    machine: 'pc',
    devices: [],
    modules: ['softdog'],
    pets: ['softdog_ping'],
    close: 'watchdog_release',
    sysfs: true,
    announced: false,
    tells: false,
    kappa: 1,
    resetMs: (timeoutS) => timeoutS * 1_000,
  },
  {
    name: 'itco',
    machine: 'q35',
    devices: ['-global', 'ICH9-LPC.noreboot=false'],
    modules: ['i2c-i801', 'lpc_ich', 'iTCO_wdt'],
    pets: ['iTCO_wdt_ping', 'iTCO_wdt_start'],
    close: 'watchdog_release',
    sysfs: true,
    announced: true,
    tells: false,
    kappa: 2,
    // Whole ticks of 0.6 s, and the second expiry resets.
    resetMs: (timeoutS) => 2 * Math.floor((timeoutS * 10) / 6) * 600,
  },
  {
    name: 'ib700',
    machine: 'pc',
    devices: ['-device', 'ib700'],
    modules: ['ib700wdt'],
    pets: ['ibwdt_ping'],
    close: 'ibwdt_close',
    sysfs: false,
    announced: true,
    tells: false,
    kappa: 1,
    // Its register knows even seconds only; the driver takes the next longer.
    resetMs: (timeoutS) => Math.ceil(timeoutS / 2) * 2_000,
  },
  {
    name: 'ipmi',
    machine: 'pc',
    devices: ['-device', 'ipmi-bmc-sim,id=bmc0', '-device', 'isa-ipmi-kcs,bmc=bmc0'],
    modules: ['ipmi_si', 'ipmi_watchdog'],
    pets: ['__ipmi_heartbeat', '__ipmi_set_timeout'],
    close: 'ipmi_close',
    sysfs: false,
    announced: false,
    tells: false,
    kappa: 1,
    resetMs: (timeoutS) => timeoutS * 1_000,
  },
];

/** QEMU's default, and that of many boards: counts, and says so, and never resets. */
export const neverResets = {
  ...driverNamed('itco'),
  name: 'itco-noreboot',
  devices: ['-global', 'ICH9-LPC.noreboot=true'],
  kappa: null,
};

export function driverNamed(name) {
  const driver = drivers.find((each) => each.name === name);
  if (driver === undefined) throw new Error(`there is no driver ${name}`);
  return driver;
}

/** How the agents' budget follows from the bound, as far as the lab has to know it; src/core/budget.ts is the truth. */
export function expectedTimes(boundMs, kappa) {
  const timeoutS = Math.floor(Math.min(6_000, boundMs / 6) / kappa / 1_000);
  const effectiveMs = timeoutS * kappa * 1_000;
  const petIntervalMs = Math.min(Math.max(500, Math.floor(effectiveMs / 3)), timeoutS * 500);
  return { timeoutS, effectiveMs, petIntervalMs, leaseMs: boundMs - 3 * effectiveMs - 2_000 };
}
