import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import type { AgentName } from './ocf-definition.js';

export interface AgentFile {
  readonly path: string;
  /** Changes whenever the file does. */
  readonly version: string;
}

/** Finds an agent's program under `ocfRoot`; throws a HoldfastError (HF_AGENT) with the nearest known name. */
export async function findAgent(ocfRoot: string, name: AgentName): Promise<AgentFile> {
  const path = join(ocfRoot, 'resource.d', name.provider, name.agent);
  try {
    const { mtimeMs, size, ino, mode } = await stat(path).then((found) => {
      if (!found.isFile()) throw missing(`${name.full} is not a program: ${path} is no regular file`);
      return found;
    });
    await access(path, constants.X_OK);
    return { path, version: `${mtimeMs} ${size} ${ino} ${mode}` };
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === 'EACCES') throw missing(`${name.full} cannot be run: ${path} is not executable (EACCES)`);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw missing(`${name.full} cannot be used: ${path} (${code})`);
    throw missing(`${name.full} is not installed on this node: ${path} does not exist${await suggest(ocfRoot, name)}`);
  }
}

async function suggest(ocfRoot: string, name: AgentName): Promise<string> {
  const list = (directory: string) => readdir(directory).catch((): string[] => []);
  const resources = join(ocfRoot, 'resource.d');
  const agent = nearestName(name.agent, await list(join(resources, name.provider)));
  if (agent !== undefined) return `; did you mean ocf:${name.provider}:${agent}?`;
  const providers = await list(resources);
  const provider = providers.includes(name.provider) ? undefined : nearestName(name.provider, providers);
  return provider === undefined
    ? '; install the package that brings it'
    : `; did you mean ocf:${provider}:${name.agent}?`;
}

function missing(sentence: string): HoldfastError {
  return new HoldfastError('HF_AGENT', sentence);
}
