import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResourceDefinition } from '../src/ports/resource-driver.js';

/** A temporary OCF root whose provider `test` holds agents that a test writes. */
export class FakeOcfRoot {
  readonly root = mkdtempSync(join(tmpdir(), 'holdfast-ocf-'));
  readonly runtimeDirectory = join(this.root, 'run');
  readonly #agents = join(this.root, 'resource.d', 'test');

  constructor() {
    mkdirSync(this.#agents, { recursive: true });
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  path(file: string): string {
    return join(this.root, file);
  }

  read(file: string): string {
    return readFileSync(this.path(file), 'utf8');
  }

  /** `body` runs for every action but meta-data; `$HERE` is the root. */
  agent(name: string, body: string, metaData: string = plainMetaData): string {
    return this.script(
      name,
      `#!/bin/sh\nHERE=${this.root}\nif [ "$1" = meta-data ]; then cat <<'END'\n${metaData}\nEND\nexit 0; fi\n${body}\n`,
    );
  }

  script(name: string, content: string, mode = 0o755): string {
    const path = join(this.#agents, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }
}

export function definition(agent: string, parameters: Record<string, string> = {}): ResourceDefinition {
  return { sid: 'ocf:web', agent: `ocf:test:${agent}`, parameters };
}

export const plainMetaData = `<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="fake" version="1.0">
<version>1.1</version>
<longdesc lang="en">A &lt;fake&gt; agent, <!-- with a comment --> for tests</longdesc>
<parameters>
<parameter name="address" unique="1" required="1"><content type="string"/></parameter>
<parameter name="port"><content type="integer" default="80"/></parameter>
<parameter name="verbose"><content type="boolean" default="false"/></parameter>
<parameter name="mistyped"><content type="boolean" default="/var/lib/x"/></parameter>
</parameters>
<actions>
<action name="start" timeout="7s"/>
<action name="stop" timeout="8"/>
<action name="monitor" depth="10" timeout="99s" interval="99s"/>
<action name="monitor" depth="0" timeout="9s" interval="13s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>`;
