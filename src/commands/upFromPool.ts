import { ephemeralName, ephemeralOptions } from '../launcher/ephemeral.ts';
import { isTyped, nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { Signals } from '../lib/signals.ts';
import { takeNode } from '../pool/take.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';

/** Options of `up` that a node of the pool does not have: it has a name, and nothing of it is kept. */
const others = ['--name', '--data-dir', '--host', '--listen', '--publish', '--join', '--joinable', '--token'];

/** `k8s-single up --from-pool`: takes a node from the pool, and keeps it until Ctrl-C, or for good with `--detach`. */
export async function upFromPool(options: UpOptions): Promise<number> {
  const other = others.find((option) => isTyped(option));
  if (other !== undefined)
    throw new Failure(
      'usage',
      `a node of the pool has a name of its own, and nothing of it is kept: leave out ${other}`,
    );
  using signals = new Signals();
  const config = await loadNodeConfig(ephemeralOptions(options, ephemeralName('pool')));
  const node = await signals.interruptible(takeNode(config, options));
  if (typeof node === 'string') throw notTaken[node]();
  const { file, ended, remove, keep } = node;
  console.error(
    `node ${file.name} of the pool is ready: ${nodeCommand('kubectl', file, '--', 'get', 'pods', '-A')}`,
  );
  if (options.detach === true) {
    keep();
    console.error(`remove it with: ${nodeCommand('down', { name: file.name })}`);
    return exitCodes.ok;
  }
  const asked = new Promise<'asked'>((resolve) => signals.handleWith(() => resolve('asked')));
  const end = await Promise.race([asked, ended]);
  await remove();
  if (end === 'asked' || end.code === exitCodes.ok) {
    console.error(`node ${file.name} is down`);
    return exitCodes.ok;
  }
  if (end.output !== '') console.error(end.output);
  console.error(`node ${file.name} has ended`);
  return end.code;
}

const notTaken = {
  noPool: () => new Failure('notReady', 'there is no pool', { hint: 'k8s-single pool start --size 2' }),
  lost: () =>
    new Failure('notReady', 'the pool was stopped meanwhile, or could not hand a node over', {
      hint: 'try again; see what it has: k8s-single pool status',
    }),
  empty: () =>
    new Failure('notReady', 'the pool has no node that is ready at the moment', {
      hint: 'see when: k8s-single pool status; or start a node: k8s-single up',
    }),
  otherConfig: () =>
    new Failure('usage', 'the nodes of the pool have another config', {
      hint: 'start a node: k8s-single up; or a pool of this config: k8s-single pool stop, then pool start',
    }),
} as const;
