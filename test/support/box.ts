import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import type { SandboxSpec } from '../../src/sandbox/sandboxSpec.ts';

const fixtures = join(import.meta.dirname, '../fixtures/isolate');
const dist = join(import.meta.dirname, '../../dist');

let folder = '';

/** Once per test file: a folder for the data of the boxes. */
export function boxes(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'k8s-single-isolate-'));
  }, 60_000);
  afterAll(async () => rm(folder, { recursive: true, force: true }));
}

/** One line of what the fixtures say: see test/fixtures/isolate. */
export interface Said {
  outer?: number;
  entered?: number;
  exited?: number;
  failure?: string;
  hint?: string;
  inside?: { nodeIp: string; hostIp: string };
  signal?: string;
  status?: number;
  stdout?: string;
  stderr?: string;
}

/** A box for a node with a name of its own. */
export function newBox(name = `test-${randomBytes(4).toString('hex')}`): SandboxSpec {
  return { name, nodeName: `${name}-host`, run: `/run/k8s-single/${name}`, data: join(folder, name) };
}

/** Enters the box in a process of its own and runs the script inside, which then may `stay`. It ends with the test. */
export function enterBox(box: SandboxSpec, script = ':', stay?: 'stay', env: Record<string, string> = {}) {
  const argv = [process.execPath, join(fixtures, 'inner.mjs'), dist, script, ...(stay ? [stay] : [])];
  const inside = JSON.stringify({ ...box, argv });
  const outer = execa(process.execPath, [join(fixtures, 'outer.mjs'), dist, inside], {
    reject: false,
    buffer: false,
    env,
    stderr: 'inherit',
  });
  const said: Said[] = [];
  let ended = false;
  const lines = createInterface({ input: outer.stdout });
  lines.on('line', (line) => said.push(JSON.parse(line)));
  lines.on('close', () => (ended = true));
  onTestFinished(async () => {
    outer.kill('SIGTERM');
    if (outer.exitCode === null && outer.signalCode === null) await once(outer, 'exit');
    await forceCleanUp(box);
  });
  /** The first of what was said that has `key`, now or later; rejects when there will be none. */
  const heard = async <Key extends keyof Said>(key: Key): Promise<NonNullable<Said[Key]>> =>
    new Promise((resolve, reject) => {
      const find = (): void => {
        const value = said.find((each) => each[key] !== undefined)?.[key];
        if (value !== undefined) resolve(value);
        else if (ended) reject(new Error(`never said "${key}": ${JSON.stringify(said)}`));
      };
      find();
      lines.on('line', find).on('close', find);
    });
  /** All that was said, when the last process that can speak has ended. */
  const silence = async (): Promise<readonly Said[]> => {
    if (!ended) await once(lines, 'close');
    return said;
  };
  return { outer, heard, silence };
}

/** Runs a script in a box from its making to its end, and resolves with what came of it. */
export async function runInBox(box: SandboxSpec, script: string): Promise<Said> {
  const { heard, silence } = enterBox(box, script);
  await heard('status');
  const result: Said = {};
  for (const each of await silence()) Object.assign(result, each);
  return result;
}
