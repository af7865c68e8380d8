import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { exec } from '../../../probes/kinds/exec.ts';
import { processGroupExited } from '../../../probes/kinds/processGroupExited.ts';
import { until } from '../../../probes/until.ts';
import type { Component, Event } from '../../../src/engine/component.ts';
import { toComponents } from '../../../src/config/components/toComponents.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import { testGraph } from '../../support/engine.ts';
import type { TestGraph } from '../../support/engine.ts';

const never = new AbortController().signal;

let dir = '';
let engine: TestGraph;
beforeEach(async () => {
  engine = await testGraph();
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-tasks-'));
  onTestFinished(async () => rm(dir, { recursive: true }));
});

function task(spec: string): Component[] {
  const text = `kubernetes: false\ncomponents: { step: { task: true, ${spec} } }`;
  return toComponents(parseConfig(text, join(dir, 'c.yaml')), []);
}

/** The types of the task's events, in order. */
function eventTypes(): Event['type'][] {
  return engine.events.map(({ type }) => type);
}

test('its output goes to its log, and it is ready after exit code 0', async () => {
  await engine.up(task("shell: true, command: 'echo out; echo err >&2'")).ready;
  expect(await readFile(join(engine.dir, 'log/step.log'), 'utf8')).toBe('out\nerr\n');
  expect(eventTypes()).toEqual(['starting', 'ready']);
  expect(engine.events[0]).toMatchObject({ pid: expect.any(Number) });
});

test('processes left in its process group are killed', async () => {
  await engine.up(task("shell: true, command: 'sleep 1000 & echo $$'")).ready;
  const group = Number(await readFile(join(engine.dir, 'log/step.log'), 'utf8'));
  await processGroupExited(group)(never);
});

test('its output goes to `logFile`, which the log directory links to', async () => {
  await engine.up(task('command: [echo, hello], logFile: sub/my.log')).ready;
  expect(await readFile(join(dir, 'sub/my.log'), 'utf8')).toBe('hello\n');
  expect(await readFile(join(engine.dir, 'log/step.log'), 'utf8')).toBe('hello\n');
});

test('without `logFile`, the link from an earlier run is replaced by a log', async () => {
  await engine.up(task('command: [echo, there], logFile: my.log')).ready;
  const again = await testGraph();
  await again.up(task('command: [echo, here]')).ready;
  expect(await readdir(join(again.dir, 'log'))).toEqual(['step.log']);
});

test('a failure reports the exit code and the last line', async () => {
  const running = engine.up(task("shell: true, command: 'echo no disk; exit 3'"));
  await expect(running.ready).rejects.toMatchObject({
    code: 'notReady',
    message: 'step failed: exited with code 3: no disk',
  });
  await running.done.catch(() => undefined);
  expect(eventTypes()).toEqual(['starting', 'exited', 'failed']);
});

test('a missing program is reported', async () => {
  await expect(engine.up(task('command: [/nowhere/migrate]')).ready).rejects.toMatchObject({
    code: 'preflight',
    message: expect.stringContaining('cannot start /nowhere/migrate'),
  });
});

test('a program that exceeds the timeout is killed', async () => {
  const running = engine.up(task("shell: true, timeout: 100ms, command: 'exec sleep 1000'"));
  const { pid } = await engine.next('step', 'starting');
  await expect(running.ready).rejects.toThrow(
    'step failed: not done within 0 s: its program is still running',
  );
  await running.done.catch(() => undefined);
  await processGroupExited(pid!)(never);
});

test('a stop uses its own signal and grace, and leaves no process', async () => {
  const trapped = join(dir, 'trapped');
  const running = engine.up(
    task(
      `shell: true, stop: { signal: USR1, grace: 10s }, command: 'trap "touch ${trapped}; exit" USR1; touch ${dir}/up; sleep 1000 & wait'`,
    ),
  );
  const { pid } = await engine.next('step', 'starting');
  await until(exec(['test', '-f', join(dir, 'up')]), { timeoutMs: 10_000 }, never);
  await running.down();
  await processGroupExited(pid!)(never);
  expect(await readdir(dir)).toContain('trapped');
});

test('a task without a command waits for its probe and reports the reason', async () => {
  const file = join(dir, 'ready');
  const running = engine.up(task(`ready: { file: ${file} }`));
  expect(await engine.next('step', 'probing')).toMatchObject({ reason: `${file} does not exist` });
  await writeFile(file, '');
  await running.ready;
});
