import { Argument } from 'commander';
import type { Command } from 'commander';
import type { Shell } from '../completion/scripts.ts';
import { exitWith } from './shared.ts';

/** Commands for the completion in shells. */
export function shellCommands(cli: Command): void {
  cli
    .command('completion')
    .description('print the completion script of a shell: source <(k8s-single completion bash)')
    .addArgument(new Argument('<shell>', 'name of the shell').choices(['bash', 'zsh', 'fish'] as const))
    .action(async (shell: Shell) => {
      const { scripts } = await import('../completion/scripts.ts');
      process.stdout.write(scripts[shell]);
    });

  cli
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .action(async (words) =>
      exitWith((await import('../completion/printCandidates.ts')).printCandidates(cli, words)),
    );
}
