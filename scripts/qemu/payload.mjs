import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpioArchive, entriesOf } from './cpio.mjs';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const scripts = fileURLToPath(new URL('guest/', import.meta.url));
const place = 'usr/lib/holdfast';

/** What is tested, and what tests it: the same in all guests. `programs`: the directory of the compiled ones. */
export function commonFiles(programs) {
  const file = (path, from, mode = 0o644) => ({ path, mode, bytes: readFileSync(from) });
  const bundle = join('dist', 'bundle', 'bin');
  return [
    file(`${place}/package.json`, join(repository, 'package.json')),
    file(`${place}/build/Release/holdfast.node`, join(repository, 'build', 'Release', 'holdfast.node')),
    ...readdirSync(join(repository, bundle)).map((name) =>
      file(`${place}/${bundle}/${name}`, join(repository, bundle, name), 0o755),
    ),
    ...['init', 'trace', 'supervise', 'control'].map((name) => file(`lab/${name}`, join(scripts, name), 0o755)),
    file('lab/block-javascript.mjs', join(repository, 'scripts', 'faults.d', 'block-javascript.mjs')),
    file('usr/lib/ocf/resource.d/holdfast/witness', join(scripts, 'witness-agent'), 0o755),
    ...readdirSync(programs).map((name) => file(`usr/local/bin/${name}`, join(programs, name), 0o755)),
    {
      path: 'usr/local/bin/holdfast',
      mode: 0o755,
      bytes: Buffer.from(`#!/bin/sh\nexec node /${place}/${bundle}/holdfast.js "$@"\n`),
    },
  ];
}

/**
 * What makes this guest a certain node. `node.driver` as in drivers.mjs, `node.node` 1 to `node.nodes`; `ownReset`: the
 * agent can reset the machine itself.
 */
export function nodeFiles(node) {
  const { driver, nodes, boundMs, kappa = driver.kappa, allowUnvalidated = true, ownReset = false } = node;
  const text = (path, lines) => ({ path, mode: 0o644, bytes: Buffer.from(`${lines.join('\n')}\n`) });
  const probes = [...driver.pets.map((name) => `pet:${name}`), `close:${driver.close}`];
  return [
    text('lab/settings', [
      `NODE=node${node.node}`,
      `ADDRESS=${nodes > 1 ? `${address(node.node)}/24` : ''}`,
      `MODULES='${driver.modules.join(' ')}'`,
      `PROBES='${probes.join(' ')}'`,
      `OWN_RESET=${ownReset ? 'yes' : ''}`,
    ]),
    text('etc/corosync/corosync.conf', corosyncConf(nodes)),
    text('etc/holdfast/holdfast.toml', [
      `fenceBoundMs = ${boundMs}`,
      '[watchdog]',
      `allowUnvalidated = ${allowUnvalidated}`,
      ...(kappa === null ? [] : [`kappa = ${kappa}`]),
    ]),
  ];
}

/** Writes the first root of a guest: the loader, and the files that it puts into the real root. */
export function writeInitrd(path, loader, files) {
  const entries = entriesOf(files.map((file) => ({ ...file, path: `lab/${file.path}` })));
  const head = readFileSync(loader);
  // The kernel looks for a further archive at multiples of four.
  writeFileSync(path, Buffer.concat([head, Buffer.alloc(-head.length & 3), cpioArchive(entries)]));
}

function address(node) {
  return `10.77.0.${node}`;
}

function corosyncConf(nodes) {
  const own = Array.from({ length: nodes }, (_, i) => i + 1);
  return [
    'totem {\n  version: 2\n  cluster_name: lab\n  transport: knet\n  token: 3000\n  token_coefficient: 0',
    '  crypto_cipher: none\n  crypto_hash: none\n}',
    'quorum {\n  provider: corosync_votequorum\n}',
    'logging {\n  to_stderr: yes\n  to_syslog: no\n  to_logfile: no\n  timestamp: hires\n}',
    'system {\n  allow_knet_handle_fallback: yes\n}',
    'resources {\n  watchdog_device: off\n}',
    'nodelist {',
    ...own.map((node) => {
      const ring = nodes > 1 ? address(node) : '127.0.0.1';
      return `  node {\n    nodeid: ${node}\n    name: node${node}\n    ring0_addr: ${ring}\n  }`;
    }),
    '}',
  ];
}
