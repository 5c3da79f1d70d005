// Builds build/Release/holdfast.node and watchdog-emulator with npm's own node-gyp and without a network.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync, statSync, utimesSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outputs = ['holdfast.node', 'watchdog-emulator'].map((name) => join(root, 'build', 'Release', name));

/** Prefix under which the headers of the running Node are: node-gyp would otherwise download them. */
function findNodeDir() {
  const prefixes = [dirname(dirname(realpathSync(process.execPath))), '/usr', '/usr/local'];
  return prefixes.find((prefix) => existsSync(join(prefix, 'include', 'node', 'node_api.h')));
}

function findNodeGyp() {
  const inNpm = (npm) => join(npm, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const candidates = [process.env.npm_config_node_gyp];
  if (process.env.npm_execpath) candidates.push(inNpm(dirname(dirname(realpathSync(process.env.npm_execpath)))));
  candidates.push(inNpm(join(dirname(dirname(realpathSync(process.execPath))), 'lib', 'node_modules', 'npm')));
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const npm = join(folder, 'npm');
    if (existsSync(npm)) candidates.push(inNpm(dirname(dirname(realpathSync(npm)))));
  }
  return candidates.find((path) => path && existsSync(path));
}

function sources() {
  const files = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true });
  const native = files.filter((file) => file.isFile()).map((file) => join(file.parentPath ?? file.path, file.name));
  return [...native, join(root, 'binding.gyp')];
}

function upToDate() {
  if (!outputs.every((path) => existsSync(path))) return false;
  const oldest = Math.min(...outputs.map((path) => statSync(path).mtimeMs));
  return sources().every((path) => statSync(path).mtimeMs < oldest);
}

function fail(sentence) {
  console.error(`build-addon: ${sentence}`);
  process.exit(1);
}

if (upToDate()) {
  console.log('build-addon: up to date');
  process.exit(0);
}
const nodeDir = findNodeDir();
if (!nodeDir)
  fail(
    'include/node/node_api.h is neither beside the running node nor in /usr or /usr/local: install the headers of Node',
  );
const nodeGyp = findNodeGyp();
if (!nodeGyp) fail('cannot find the node-gyp that comes with npm: install npm, or set npm_config_node_gyp');

console.log('build-addon: compiling the native addon');
for (const step of ['configure', 'build']) {
  const args = [nodeGyp, step, '--nodedir', nodeDir, '--silent', '--jobs', '2'];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  if (status === 0) continue;
  process.stdout.write(stdout ?? '');
  fail(`node-gyp ${step} failed; it needs python3, make, g++ and the corosync headers`);
}
// make leaves an output alone whose inputs did not change; its new time says that it was looked at.
const now = new Date();
for (const path of outputs) utimesSync(path, now, now);
