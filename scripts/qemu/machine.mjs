/** QEMU's arguments for one guest. Pure. */
const memoryMb = 384;

/** Left to ramoops, see guest/init: what a kernel says as it dies is still there after a reset. */
const dumps = 'memmap=0x100000$0x17000000';
/** What the guest's kernel is told: to speak, to reset after a panic, and not to spend time on what a test needs not. */
const kernelWords = `console=ttyS0 panic=-1 quiet mitigations=off cryptomgr.notests tsc=unstable net.ifnames=0 ${dumps}`;

/**
 * `images`: { vmlinux, initrd, root }, `disk`: the guest's writable image, `sockets`: the path of each port's socket;
 * `network`: further arguments, or none. `ownTime`: the guest's clocks go on as it executes instructions, so that it is
 * never too slow for its own time limits, however busy the host; its time is then not the host's.
 */
export function qemuArguments({ driver, accel, images, disk, sockets, network = [], ownTime = false }) {
  return [
    ...[
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-M',
      driver.machine,
      '-m',
      String(memoryMb),
      '-smp',
      '1',
    ],
    ...processor(ownTime ? 'own time' : accel),
    // See Guest: stopped where it would be reset, and never ended by itself.
    ...['-action', 'reboot=reset,shutdown=pause,panic=none'],
    ...['-kernel', images.vmlinux, '-initrd', images.initrd, '-append', kernelWords],
    ...drive('root', images.root, 'readonly=on'),
    ...drive('disk', disk, 'readonly=off'),
    ...socket('console', sockets.console),
    ...['-serial', 'chardev:console', '-device', 'virtio-serial-pci'],
    ...['control', 'observer', 'witness'].flatMap((name) => [
      ...socket(name, sockets[name]),
      ...['-device', `virtserialport,chardev=${name},name=${name}`],
    ]),
    ...['-qmp', `unix:${sockets.qmp},server=on,wait=off`],
    ...driver.devices,
    ...network,
  ];
}

/** 2^1 ns an instruction: an emulated processor as fast as a slow real one. */
function processor(kind) {
  if (kind === 'kvm') return ['-accel', 'kvm', '-cpu', 'host'];
  if (kind === 'tcg') return ['-accel', 'tcg,thread=multi', '-cpu', 'max'];
  return ['-accel', 'tcg,thread=single', '-cpu', 'max', '-icount', 'shift=1,sleep=on'];
}

function drive(name, path, access) {
  return ['-drive', `file=${path},if=none,id=${name},format=raw,${access}`, '-device', `virtio-blk-pci,drive=${name}`];
}

function socket(name, path) {
  return ['-chardev', `socket,id=${name},path=${path},server=on,wait=off`];
}
