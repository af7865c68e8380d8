import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { groupGone } from '../../probes/gone.ts';
import { exec } from '../../probes/exec.ts';
import { until } from '../../probes/until.ts';
import type { Task } from '../../src/component.ts';
import { toComponents } from '../../src/config/components.ts';
import { parseConfig } from '../../src/config/load.ts';

const never = new AbortController().signal;

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-tasks-'));
});
afterAll(async () => rm(dir, { recursive: true }));

function task(spec: string): Task {
  const config = parseConfig(
    `dataDir: ${dir}\nkubernetes: false\ncomponents: { step: { task: true, ${spec} } }`,
    'c.yaml',
  );
  const [step] = toComponents(config, []);
  if (step?.kind !== 'task') throw new Error('not a task');
  return step;
}

test('its output goes to its log', async () => {
  await task("shell: true, command: 'echo out; echo err >&2'").run(never, () => undefined);
  expect(await readFile(join(dir, 'log/step.log'), 'utf8')).toBe('out\nerr\n');
});

test('a failure says how it ended and the last line', async () => {
  const step = task("shell: true, command: 'echo no disk; exit 3'");
  await expect(step.run(never, () => undefined)).rejects.toThrow('/bin/sh exited with code 3: no disk');
  await expect(task('command: [/nowhere/migrate]').run(never, () => undefined)).rejects.toThrow(
    'cannot start /nowhere/migrate',
  );
});

test('an abort leaves nothing of it', async () => {
  const pidFile = join(dir, 'pid');
  const step = task(
    `shell: true, command: 'sleep 1000 & echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; wait'`,
  );
  const stop = new AbortController();
  const run = step.run(stop.signal, () => undefined);
  run.catch(() => undefined);
  await until(exec(['test', '-f', pidFile]), { timeoutMs: 10_000 }, never);
  stop.abort(new Error('asked to stop'));
  await expect(run).rejects.toThrow('asked to stop');
  const group = Number(await readFile(pidFile, 'utf8'));
  await until(groupGone(group), { timeoutMs: 10_000 }, never);
});

test('a task without a command waits for its probe and says what is missing', async () => {
  const file = join(dir, 'ready');
  const reasons: string[] = [];
  await task(`ready: { file: ${file} }`).run(never, (reason) => {
    reasons.push(reason);
    if (reasons.length === 1) void writeFile(file, '');
  });
  expect(reasons[0]).toBe(`${file} does not exist`);
});
