import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './command.mjs';

const sources = fileURLToPath(new URL('guest/', import.meta.url));

/** The guest's own programs: name and source. */
export function programSources() {
  const files = readdirSync(sources).filter((name) => name.endsWith('.cc'));
  return files.sort().map((name) => ({ name: name.slice(0, -3), source: readFileSync(join(sources, name), 'utf8') }));
}

/** Fills `directory` with the compiled programs: static, since they may be older than the guest's libraries. */
export async function compilePrograms(directory) {
  const flags = ['-std=c++17', '-O2', '-Wall', '-Wextra', '-static'];
  for (const { name } of programSources()) {
    await run('g++', [...flags, '-o', join(directory, name), join(sources, `${name}.cc`)]);
  }
}

export async function compilerVersion() {
  return (await run('g++', ['--version'])).split('\n')[0];
}
