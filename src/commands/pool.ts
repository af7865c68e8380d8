import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Unhealthy } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { assertRoot } from '../host/root.ts';
import { forceCleanUp } from '../instance/cleanUp.ts';
import { takeLock } from '../instance/lock.ts';
import { nodeNamesIn } from '../instance/nodeNames.ts';
import { ephemeralName, ephemeralOptions, ephemeralPaths } from '../launcher/ephemeral.ts';
import { childEnv } from '../lib/childEnv.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { nodePaths, programFile } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { connectToPool } from '../pool/connection.ts';
import { PoolKeeper } from '../pool/keeper.ts';
import { poolFolder } from '../pool/protocol.ts';
import type { PoolRequest, PoolStatus } from '../pool/protocol.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';

interface PoolOptions extends UpOptions {
  /** How many nodes are kept ready. */
  readonly size: string;
}

/** The most nodes of a pool: each takes 650 MiB. */
const maxSize = 50;

const log = join(poolFolder, 'log');

/** How long a keeper may take to end: nodes are killed, but each has something to unmount. In ms. */
const endsWithinMs = 60_000;

/** `k8s-single pool start`: starts a keeper in the background, and resolves when every node is ready. */
export async function startPool(options: PoolOptions): Promise<number> {
  assertRoot();
  using signals = new Signals();
  await checked(options);
  if ((await statusOfPool()) !== undefined)
    throw new Failure('preflight', 'there is a pool already', {
      hint: 'see it: k8s-single pool status; stop it: k8s-single pool stop',
    });
  mkdirSync(poolFolder, { recursive: true, mode: 0o700 });
  const output = openSync(log, 'a', 0o600);
  const args = [programFile('main'), '__pool-keeper', ...process.argv.slice(4)];
  const keeper = spawn(process.execPath, args, {
    detached: true,
    env: childEnv(process.env),
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  let code: number | undefined;
  const exited = once(keeper, 'exit').then(([status]) => (code = Number(status ?? 1)));
  keeper.unref();
  let shown = 0;
  let failure: Failure | undefined;
  const isFull = async (): Promise<void> => {
    if (code !== undefined) return;
    const status = await statusOfPool();
    const ready = status?.ready.length ?? 0;
    for (; shown < ready; shown += 1)
      console.error(`${status!.ready[shown]} is ready (${shown + 1} of ${status!.size})`);
    const reason = status?.starting === null ? status.reason : null;
    if (reason !== null) {
      // The others would fail like the first.
      if (ready === 0 && status?.taken === 0)
        failure = new Failure('notReady', `the pool has no node: ${reason}`, {
          hint: 'start a node to see why: k8s-single run --no-pool -- true',
        });
      else
        console.error(
          `${ready} of ${options.size} nodes are ready, and others will be as soon as they can: ${reason}`,
        );
      return;
    }
    if (status === undefined || ready < status.size)
      throw new Unhealthy(`${ready} of ${options.size} nodes are ready`);
  };
  const patience = { timeoutMs: Number.POSITIVE_INFINITY, maxPeriodMs: 250 };
  try {
    await until(isFull, patience, signals.interrupted);
    if (failure !== undefined) throw failure;
  } catch (error) {
    keeper.ref();
    keeper.kill('SIGTERM');
    await exited;
    await removeEverything();
    throw error;
  }
  if (code !== undefined) {
    process.stderr.write(existsSync(log) ? readFileSync(log, 'utf8') : '');
    // Another start may have been quicker.
    await removeEverything().catch(() => undefined);
    return code || exitCodes.notReady;
  }
  console.error('k8s-single run -- COMMAND takes one of them, and the pool makes another');
  return exitCodes.ok;
}

/** `k8s-single __pool-keeper`: the keeper. */
export async function keepPool(options: PoolOptions): Promise<number> {
  const { size, config } = await checked(options);
  const lock = await lockOfPool();
  if (lock === undefined) throw new Failure('preflight', 'there is a pool already');
  await removeLeftNodes();
  await new PoolKeeper(size, options, config).run();
  await removePool();
  closeSync(lock);
  return exitCodes.ok;
}

/** `k8s-single pool status` */
export async function poolStatus({ output }: { readonly output: 'text' | 'json' }): Promise<number> {
  assertRoot();
  const status = await statusOfPool();
  if (status === undefined) {
    console.error('there is no pool: k8s-single pool start');
    return exitCodes.notReady;
  }
  if (output === 'json') {
    console.log(JSON.stringify(status, undefined, 2));
    return exitCodes.ok;
  }
  const { size, ready, starting, taken, reason } = status;
  console.log(`${ready.length} of ${size} nodes are ready, ${taken} were taken`);
  for (const name of ready) console.log(`  ${name}`);
  if (starting !== null) console.log(`  ${starting} is being started`);
  if (reason !== null) console.log(`  ${reason}`);
  return exitCodes.ok;
}

/** `k8s-single __pool-cleanup`: removes the nodes of a keeper that was killed. A new one, which may have started meanwhile, does so itself. */
export async function cleanUpPool(): Promise<number> {
  const lock = await lockOfPool();
  if (lock !== undefined) await removeAll(lock);
  return exitCodes.ok;
}

/** `k8s-single pool stop`: removes the nodes that nobody has taken. Also after the death of the keeper. */
export async function stopPool(): Promise<number> {
  assertRoot();
  if (!existsSync(poolFolder)) {
    console.error('there is no pool');
    return exitCodes.ok;
  }
  const patience = { timeoutMs: endsWithinMs, attemptTimeoutMs: Number.POSITIVE_INFINITY };
  await until(stopAndRemove, patience, new AbortController().signal).catch((cause: unknown) => {
    if (!(cause instanceof DeadlineExceeded)) throw cause;
    throw new Failure('notReady', `the pool cannot be stopped: ${cause.lastReason}`, {
      hint: `see why: ${log}`,
      cause,
    });
  });
  console.error('the pool is stopped');
  return exitCodes.ok;
}

async function stopAndRemove(): Promise<void> {
  // Each time: the keeper may only be starting.
  using connection = await connectToPool();
  const stop: PoolRequest = { type: 'stop' };
  connection?.send(stop);
  await removeEverything();
}

async function removeEverything(): Promise<void> {
  const lock = await takeLock(poolFolder);
  if (lock === undefined) throw new Unhealthy('its keeper still runs');
  await removeAll(lock);
}

/** Releases the lock. */
async function removeAll(lock: number): Promise<void> {
  try {
    await removeLeftNodes();
    await removePool();
  } finally {
    closeSync(lock);
  }
}

/** The lock of the pool, once nobody cleans up after another keeper; undefined if there is one, which answers. */
async function lockOfPool(): Promise<number | undefined> {
  let lock: number | undefined;
  const isDecided = async (): Promise<void> => {
    lock ??= await takeLock(poolFolder);
    if (lock !== undefined) return;
    using connection = await connectToPool();
    if (connection === undefined) throw new Unhealthy('somebody cleans up after another keeper');
  };
  await until(isDecided, { timeoutMs: endsWithinMs }, new AbortController().signal);
  return lock;
}

/** How long a keeper may take to say how it is, in ms. */
const answersWithinMs = 5000;

async function statusOfPool(): Promise<PoolStatus | undefined> {
  using connection = await connectToPool();
  const request: PoolRequest = { type: 'status' };
  connection?.send(request);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it
  return (await connection?.receive(answersWithinMs)) as PoolStatus | undefined;
}

/** @throws Failure `usage` */
async function checked(options: PoolOptions) {
  const size = Number(options.size);
  if (!Number.isInteger(size) || size < 1 || size > maxSize)
    throw new Failure('usage', `--size ${options.size}: expected a number from 1 to ${maxSize}`);
  if (options.config !== undefined && statSync(options.config, { throwIfNoEntry: false })?.isFile() === false)
    throw new Failure('usage', `the config ${options.config} is not a file: the keeper cannot read it again`);
  const config = await loadNodeConfig(ephemeralOptions(options, ephemeralName('pool')));
  if (config.node.kubernetes === false)
    throw new Failure('usage', 'the config is of a graph without Kubernetes: a pool has nodes');
  if (config.node.ports.length > 0 || config.node.listen !== undefined)
    throw new Failure(
      'usage',
      'the nodes of a pool would share the ports of the machine: leave out ports and listen',
    );
  return { size, config };
}

/** The nodes of a keeper that was killed. The caller holds the lock of the pool. */
async function removeLeftNodes(): Promise<void> {
  const names = nodeNamesIn(dirname(nodePaths('any').run));
  const left = names.filter((name) => existsSync(nodePaths(name).poolMark));
  await Promise.all(left.map(async (name) => forceCleanUp({ name, ...ephemeralPaths(name) })));
}

async function removePool(): Promise<void> {
  rmSync(poolFolder, { recursive: true, force: true });
  // With the last node.
  await rmdir(dirname(poolFolder)).catch(() => undefined);
}
