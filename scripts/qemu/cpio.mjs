/** Archives that the kernel unpacks into its first root: cpio, format newc (cpio(5)). */

const types = { file: 0o100000, directory: 0o040000, link: 0o120000, device: 0o020000 };
const trailer = 'TRAILER!!!';

/**
 * `entries`: { path, type, mode, bytes, device }; a link's bytes are its target, `device` is [major, minor].
 * A directory stands before what is in it.
 */
export function cpioArchive(entries) {
  const parts = entries.map((entry, i) => member({ ...entry, inode: i + 1 }));
  return Buffer.concat([...parts, member({ path: trailer, type: 'file', mode: 0, inode: 0 })]);
}

function member({ path, type, mode, inode, bytes = Buffer.alloc(0), device = [0, 0] }) {
  const name = Buffer.from(`${path}\0`);
  const numbers = [
    inode,
    path === trailer ? 0 : types[type] | mode,
    ...[0, 0, 1, 0],
    bytes.length,
    ...[0, 0],
    ...device,
    name.length,
    0,
  ];
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(bytes)]);
}

function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

/** Entries of these files, and of the directories above them, each once. `files`: { path, mode, bytes }. */
export function entriesOf(files) {
  const directories = new Set();
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1);
    for (let i = 1; i <= parts.length; i++) directories.add(parts.slice(0, i).join('/'));
  }
  return [
    ...[...directories].sort().map((path) => ({ path, type: 'directory', mode: 0o755 })),
    ...files.map((file) => ({ type: 'file', ...file })),
  ];
}
