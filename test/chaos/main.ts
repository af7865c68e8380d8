/** `npm run chaos`: attacks a node for as long as it is told to. Needs root and the binaries of `install`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { byKind, runChaos, summary } from './chaos.ts';
import { faults } from './faults.ts';

// No node that is attacked sends a packet to another machine.
process.env['K8S_SINGLE_EGRESS'] = 'none';

const number = (text: string): number => {
  if (!/^\d+(?:\.\d+)?$/.test(text)) throw new InvalidArgumentError('expected a number.');
  return Number(text);
};

interface Options {
  readonly seed: number;
  readonly minutes: number;
  readonly only?: readonly string[];
}

const { seed, minutes, only } = new Command('npm run chaos --')
  .description('attack a node of its own, and prove that it recovers, loses nothing and leaves nothing')
  .option('--seed <n>', 'what the choice of faults follows from', number, 1)
  .option('--minutes <m>', 'after this time no fault begins', number, 10)
  .addOption(new Option('--only <kind...>', 'only these faults').choices(Object.keys(faults)))
  .parse()
  .opts<Options>();

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort());

const tally = await runChaos({
  name: 'chaos',
  seed,
  durationMs: minutes * 60_000,
  ...(only !== undefined && { only }),
  print: (line) => console.log(line),
  signal: interrupt.signal,
});
for (const line of [...byKind(tally), ...tally.failures, ...tally.leftovers]) console.log(line);
console.log(summary(tally));
process.exitCode = tally.failures.length + tally.lost.length + tally.leftovers.length === 0 ? 0 : 1;
