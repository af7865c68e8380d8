import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { expectNothingLeft, snapshotHost } from '../support/leftovers.ts';
import { boundMs, ChaosNode } from './chaosNode.ts';
import { defaultKinds, faults } from './faults.ts';
import { Random } from './random.ts';
import { Writer } from './writer.ts';

export interface ChaosOptions {
  readonly name: string;
  readonly seed: number;
  /** No fault begins later. In ms. */
  readonly durationMs: number;
  /** Kinds of faults. Default: `defaultKinds`. */
  readonly only?: readonly string[];
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

interface Recovery {
  readonly kind: string;
  /** From the end of the cause until the node was ready and had acknowledged an object. */
  readonly ms: number;
}

/** What a run has found. */
export interface Tally {
  readonly recoveries: readonly Recovery[];
  /** What the node did that it must not: one text each. */
  readonly failures: readonly string[];
  readonly acknowledged: number;
  readonly lost: readonly string[];
  readonly leftovers: readonly string[];
}

/**
 * Attacks a node: one fault after the other, each followed by a recovery. Every kind once in the order of the seed, then again. The
 * node's objects are created without a pause and compared after each fault; what is left is compared at the end.
 */
export async function runChaos({
  name,
  seed,
  durationMs,
  only,
  print,
  signal,
}: ChaosOptions): Promise<Tally> {
  const random = new Random(seed);
  // Not the same: how often a fault chooses depends on what is there.
  const order = new Random(seed);
  const kinds = only ?? defaultKinds;
  const before = await snapshotHost();
  const node = await ChaosNode.create(name);
  const writer = new Writer(name, node.dataDir, `chaos-${seed}`);
  const recoveries: Recovery[] = [];
  const failures: string[] = [];
  const lost = new Set<string>();
  const startedAt = Date.now();
  try {
    const { exitCode, all } = await node.start();
    if (exitCode !== 0) throw new Error(`the node does not start: ${String(all)}`);
    writer.start();
    let round: string[] = [];
    while (Date.now() - startedAt < durationMs) {
      signal.throwIfAborted();
      if (round.length === 0) round = shuffled(kinds, order);
      const kind = round.pop()!;
      try {
        let endedAt: number | undefined;
        const causeEnded = (): void => void (endedAt = Date.now());
        const what = await faults[kind]!({ node, random, causeEnded });
        endedAt ??= Date.now();
        await recover(node, writer);
        const ms = Date.now() - endedAt;
        recoveries.push({ kind, ms });
        print(
          `${seconds(startedAt)}  ${kind.padEnd(15)} recovered after ${(ms / 1000).toFixed(1)} s: ${what}`,
        );
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        failures.push(`${kind}: ${reason}`);
        print(`${seconds(startedAt)}  ${kind.padEnd(15)} FAILED: ${reason}`);
        // What follows is not to fail for this reason, too.
        await node.command('down');
        await recover(node, writer);
      }
      // What cannot be compared now is compared after the next fault, and in the end.
      for (const object of await writer.lost().catch(() => [])) {
        if (lost.has(object)) continue;
        lost.add(object);
        print(`${seconds(startedAt)}  ${kind.padEnd(15)} LOST ${object}`);
      }
    }
    for (const object of await writer.lost()) lost.add(object);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  } finally {
    await writer.stop();
    // What it leaves behind is counted.
    await node.remove().catch((error: unknown) => failures.push(`the node is not removed: ${String(error)}`));
  }
  const leftovers = await expectNothingLeft(before, [name], 10_000).then(
    () => [],
    (error: unknown) => String(error).split('\n'),
  );
  return { recoveries, failures, acknowledged: writer.acknowledged, lost: [...lost], leftovers };
}

/** Starts the node if it is down, and waits until it is ready and acknowledges an object. */
async function recover(node: ChaosNode, writer: Writer): Promise<void> {
  const isUp = async (signal: AbortSignal): Promise<void> => {
    // A node whose shim alone was killed goes on; others take a moment to end.
    if (!(await node.isRunning())) {
      const { exitCode, all } = await node.start();
      if (exitCode !== 0) throw new Unhealthy(`up exits with ${exitCode}: ${String(all)}`);
    }
    await node.isReady(signal);
  };
  await until(isUp, { timeoutMs: boundMs, attemptTimeoutMs: boundMs }, new AbortController().signal);
  await writer.nextAcknowledged(10_000);
}

function shuffled(all: readonly string[], random: Random): string[] {
  const left = [...all];
  const result: string[] = [];
  while (left.length > 0) result.push(...left.splice(random.integer(0, left.length - 1), 1));
  return result;
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1).padStart(7)} s`;
}

/** The one line at the end of a run. */
export function summary({ recoveries, failures, acknowledged, lost, leftovers }: Tally): string {
  const worst = Math.max(0, ...recoveries.map(({ ms }) => ms));
  return (
    `${recoveries.length + failures.length} faults injected, ${recoveries.length} recoveries, ` +
    `worst recovery ${(worst / 1000).toFixed(1)} s, ${acknowledged} objects acknowledged, ` +
    `${lost.length} objects lost, ${leftovers.length} leftovers`
  );
}

/** For each kind: how many, and the median and the worst recovery. */
export function byKind({ recoveries, failures }: Tally): string[] {
  return Object.keys(faults).flatMap((kind) => {
    const times = recoveries.filter((each) => each.kind === kind).map(({ ms }) => ms / 1000);
    const failed = failures.filter((text) => text.startsWith(`${kind}: `)).length;
    if (times.length + failed === 0) return [];
    times.sort((a, b) => a - b);
    const [median = 0, worst = 0] = [times[Math.floor(times.length / 2)], times.at(-1)];
    const figures = `median ${median.toFixed(1).padStart(5)} s, worst ${worst.toFixed(1).padStart(5)} s`;
    return [
      `${kind.padEnd(15)} ${String(times.length).padStart(4)} recoveries, ${figures}, ${failed} failures`,
    ];
  });
}
