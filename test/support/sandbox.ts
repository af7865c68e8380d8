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

const fixtures = join(import.meta.dirname, '../fixtures/sandbox');
const dist = join(import.meta.dirname, '../../dist');

let folder = '';

/** Creates a folder for the data of the sandboxes. Call it once per test file. */
export function sandboxes(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'k8s-single-sandbox-'));
  }, 60_000);
  afterAll(async () => rm(folder, { recursive: true, force: true }));
}

/** One line of the output of the fixtures: see test/fixtures/sandbox. */
export interface Output {
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

/** A sandbox for a node with a unique name. */
export function newSandbox(name = `test-${randomBytes(4).toString('hex')}`): SandboxSpec {
  return { name, nodeName: `${name}-host`, run: `/run/k8s-single/${name}`, data: join(folder, name) };
}

/**
 * Runs the script in a sandbox. With `stay` the process inside then waits for a signal. `outer` is the launcher. All of it is
 * removed at the end of the test.
 */
export function startSandbox(
  sandbox: SandboxSpec,
  script = ':',
  stay?: 'stay',
  env: Record<string, string> = {},
) {
  const argv = [process.execPath, join(fixtures, 'program.mjs'), dist, script, ...(stay ? [stay] : [])];
  const inside = JSON.stringify({ ...sandbox, argv });
  const outer = execa(process.execPath, [join(fixtures, 'launcher.mjs'), dist, inside], {
    reject: false,
    buffer: false,
    env,
    stderr: 'inherit',
  });
  const output: Output[] = [];
  let ended = false;
  const lines = createInterface({ input: outer.stdout });
  lines.on('line', (line) => output.push(JSON.parse(line)));
  lines.on('close', () => (ended = true));
  onTestFinished(async () => {
    outer.kill('SIGTERM');
    if (outer.exitCode === null && outer.signalCode === null) await once(outer, 'exit');
    await forceCleanUp(sandbox);
  });
  /** The value of `key` in the first output that has it. Waits for it. @throws Error if the output ends before */
  const received = async <Key extends keyof Output>(key: Key): Promise<NonNullable<Output[Key]>> =>
    new Promise((resolve, reject) => {
      const find = (): void => {
        const value = output.find((each) => each[key] !== undefined)?.[key];
        if (value !== undefined) resolve(value);
        else if (ended) reject(new Error(`no output with "${key}": ${JSON.stringify(output)}`));
      };
      find();
      lines.on('line', find).on('close', find);
    });
  /** Waits until the last process has closed its output, and resolves with all of it. */
  const allOutput = async (): Promise<readonly Output[]> => {
    if (!ended) await once(lines, 'close');
    return output;
  };
  return { outer, received, allOutput };
}

/** Runs a script in a sandbox until everything has exited, and resolves with the merged output. */
export async function runInSandbox(sandbox: SandboxSpec, script: string): Promise<Output> {
  const { received, allOutput } = startSandbox(sandbox, script);
  await received('status');
  const result: Output = {};
  for (const each of await allOutput()) Object.assign(result, each);
  return result;
}
