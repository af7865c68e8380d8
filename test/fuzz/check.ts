import { runInThisContext } from 'node:vm';
import * as fc from 'fast-check';
import { mutated } from './mutate.ts';

/** A reader of input from outside, and what such input looks like. */
export interface Target {
  readonly name: string;
  /** Real inputs. */
  readonly seeds: readonly Buffer[];
  /** What has a meaning in such an input. */
  readonly words: readonly string[];
  /** The longest input, in bytes. Default: 256 KiB. */
  readonly maxBytes?: number;
  readonly open: () => Promise<Opened>;
}

/** A target that is ready for inputs. */
export interface Opened extends AsyncDisposable {
  /** Reads one input. Throws if it does so wrongly; an error that it rightly reports is none. */
  readonly read: (input: Buffer) => void | Promise<void>;
}

/** Limits for one input: processor time in ms, memory in bytes, time until a hang is certain in ms. */
const maxCpuMs = 200;
const maxMemoryBytes = 100 * 1024 * 1024;
const hangMs = 30_000;

/**
 * Runs `runs` mutated inputs, the same ones for each seed. `slowness`: how much slower than usual the machine may be.
 * @throws with the smallest input found that is read wrongly
 */
export async function fuzz(target: Target, runs: number, seed: number, slowness = 1): Promise<void> {
  await using opened = await target.open();
  const inputs = mutated(target.seeds, target.words, target.maxBytes ?? 256 * 1024);
  const property = fc.asyncProperty(fc.noBias(inputs), async (input) =>
    check(opened, input, slowness * maxCpuMs),
  );
  await fc.assert(property, { numRuns: runs, seed, ...report(target, seed, runs) });
}

function report(target: Target, seed: number, runs: number): object {
  return {
    asyncReporter: async (result: fc.RunDetails<[Buffer]>): Promise<void> => {
      if (!result.failed) return;
      const [input] = result.counterexample ?? [Buffer.alloc(0)];
      const text = JSON.stringify(input.toString('latin1'));
      const cause = result.errorInstance;
      const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      throw new Error(
        `${target.name} reads ${input.length} bytes wrongly: ${reason}\n` +
          `the input: ${text.length > 2000 ? `${text.slice(0, 2000)}…` : text}\n` +
          `reproduce it: npm run fuzz -- --target ${target.name} --seed ${seed} --runs ${runs}`,
        { cause },
      );
    },
  };
}

/** @throws if the target crashes, hangs, or takes too much time or memory */
async function check({ read }: Opened, input: Buffer, limitMs: number): Promise<void> {
  const rssBefore = process.resourceUsage().maxRSS;
  let cpuMs = await measured(read, input);
  const grownBytes = (process.resourceUsage().maxRSS - rssBefore) * 1024;
  if (grownBytes > maxMemoryBytes) throw new Error(`takes ${Math.round(grownBytes / 2 ** 20)} MB`);
  // On a busy machine, or before the code is compiled, one run says little: the best of several counts.
  for (let again = 0; cpuMs > limitMs && again < 4; again++)
    cpuMs = Math.min(cpuMs, await measured(read, input));
  if (cpuMs > limitMs) throw new Error(`takes ${Math.round(cpuMs)} ms of processor time`);
}

/** Reads the input, and resolves with the processor time in ms. */
async function measured(read: Opened['read'], input: Buffer): Promise<number> {
  const before = process.cpuUsage();
  current = async () => read(input);
  // Unlike any timer, this also ends a loop that never yields, or a regular expression that never ends.
  const reading: Promise<void> = runInThisContext(`globalThis[Symbol.for('k8s-single fuzz')]()`, {
    timeout: hangMs,
  });
  const deadline = AbortSignal.timeout(hangMs);
  await new Promise<void>((resolve, reject) => {
    deadline.addEventListener('abort', () => reject(new Error('hangs')), { once: true });
    reading.then(resolve, reject);
  });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

let current: () => Promise<void> = async () => undefined;
Object.assign(globalThis, { [Symbol.for('k8s-single fuzz')]: async () => current() });
