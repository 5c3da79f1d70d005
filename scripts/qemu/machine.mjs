/** QEMU's arguments for one guest. Pure. */
const memoryMb = 384;

/** Left to ramoops, see guest/init: what a kernel says as it dies is still there after a reset. */
const dumps = 'memmap=0x100000$0x17000000';
/** What the guest's kernel is told: to speak, to reset after a panic, and not to spend time on what a test needs not. */
const kernelWords = `console=ttyS0 panic=-1 quiet mitigations=off cryptomgr.notests tsc=unstable net.ifnames=0 ${dumps}`;

/**
 * `images`: { vmlinux, initrd, root }, `disk`: the guest's writable image, `sockets`: the path of each port's socket;
 * `network`: further arguments, or none.
 */
export function qemuArguments({ driver, accel, images, disk, sockets, network = [] }) {
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
    ...(accel === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']),
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

function drive(name, path, access) {
  return ['-drive', `file=${path},if=none,id=${name},format=raw,${access}`, '-device', `virtio-blk-pci,drive=${name}`];
}

function socket(name, path) {
  return ['-chardev', `socket,id=${name},path=${path},server=on,wait=off`];
}
