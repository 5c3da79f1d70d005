// Planted bugs: each patch in test/mutants is applied to a copy of the source, and the random faults have to find it
// within 60 seconds of CPU time. Usage: npm run mutants [-- NAME…]; exit 1 if one survives or does not apply.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const patches = join(root, 'test', 'mutants');
const limitS = 60;

/** The first line of a patch says what is wrong with it. */
async function describe(patch) {
  const [first = ''] = (await readFile(join(patches, patch), 'utf8')).split('\n');
  return first;
}

async function newCopy() {
  const copy = await mkdtemp(join(tmpdir(), 'holdfast-mutant-'));
  await cp(join(root, 'src'), join(copy, 'src'), { recursive: true });
  await cp(patches, join(copy, 'test', 'mutants'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** A bundle of the hunt, in the source with that patch; null: as it is. */
async function buildHunt(patch) {
  const copy = await newCopy();
  try {
    if (patch !== null)
      await run('patch', ['-p1', '-s', '-F2', '--no-backup-if-mismatch', '-i', join(patches, patch)], { cwd: copy });
    await build({
      entryPoints: [join(copy, 'test', 'mutants', 'hunt.ts')],
      outfile: join(copy, 'hunt.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'error',
      banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
    });
    return copy;
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    throw error;
  }
}

async function hunt(copy, seconds, firstSeed) {
  const { stdout } = await run(process.execPath, [join(copy, 'hunt.mjs'), String(seconds), String(firstSeed)]);
  return JSON.parse(stdout);
}

/** False: it survives, or could not be tried. */
async function judge(patch, unchanged) {
  const name = patch.replace(/\.patch$/, '').padEnd(28);
  let copy = null;
  try {
    copy = await buildHunt(patch);
    const { seed, seeds, cpuS, violation } = await hunt(copy, limitS, 1);
    const time = `${cpuS.toFixed(1)} s`.padStart(7);
    if (violation === null) {
      console.log(`${name} SURVIVES ${seeds} seeds, ${time}`);
      return false;
    }
    const [text] = violation.text.split('\n', 1);
    console.log(`${name} seed ${String(seed).padStart(5)} ${time}  ${violation.rule}: ${text}`);
    const without = await hunt(unchanged, 0, seed);
    if (without.violation === null) return true;
    console.log(`${name} NOT ITS DOING: seed ${seed} breaks a rule without the patch, too: ${without.violation.text}`);
    return false;
  } catch (error) {
    const [first] = String(error.stdout || error.message)
      .trim()
      .split('\n', 1);
    console.log(`${name} CANNOT BE TRIED: ${first}`);
    return false;
  } finally {
    if (copy !== null) await rm(copy, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
const all = (await readdir(patches)).filter((file) => file.endsWith('.patch')).sort();
const chosen = all.filter((file) => wanted.length === 0 || wanted.some((name) => file.startsWith(name)));
if (chosen.length === 0) {
  console.error(`there is no mutant ${wanted.join(' ')}; there are: ${all.join(' ')}`);
  process.exit(1);
}
const unchanged = await buildHunt(null);
let survivors = 0;
for (const patch of chosen) {
  console.log(`# ${await describe(patch)}`);
  if (!(await judge(patch, unchanged))) survivors++;
}
await rm(unchanged, { recursive: true, force: true });
console.log(`${chosen.length - survivors} of ${chosen.length} mutants found`);
process.exitCode = survivors === 0 ? 0 : 1;
