import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { program } from './place.ts';
import type { Row } from './row.ts';

/** What `run` says of itself at its end: `ready after 7.9 s, the command took 0.2 s (exit code 0), gone after 0.4 s`. */
const told = /ready after ([\d.]+) s, the command took ([\d.]+) s .*gone after ([\d.]+) s/;

const execute = promisify(execFile);

/** From the start of `k8s-single run -- kubectl get nodes` to its exit, and the parts of it, in ms. */
export async function measure({ rounds }: { rounds: number }): Promise<Row[]> {
  const parts = ['ready', 'the command', 'gone', 'start to exit'] as const;
  const values = parts.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    const began = Date.now();
    const { stderr } = await execute(program, ['run', '--', 'kubectl', 'get', 'nodes']);
    const total = Date.now() - began;
    const times = told.exec(stderr);
    if (times === null) throw new Error(`run says nothing of its times:\n${stderr}`);
    const all = [...times.slice(1).map((seconds) => Math.round(Number(seconds) * 1000)), total];
    for (const [index, value] of all.entries()) values[index]!.push(value);
  }
  return parts.map((part, index) => ({
    row: `run -- kubectl get nodes: ${part}`,
    contestant: 'k8s-single',
    unit: 'ms',
    values: values[index]!,
  }));
}
