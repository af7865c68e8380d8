import type { Command } from 'commander';
import { exitWith, nameOption } from './shared.ts';

/** Commands that use the node as Kubernetes. */
export function kubernetesCommands(cli: Command): void {
  cli
    .command('kubectl')
    .description("kubectl as the node's administrator")
    .argument('[args...]', 'after `--`, for kubectl')
    .addOption(nameOption())
    .passThroughOptions()
    .action(async (args, options) => exitWith((await import('../kubectl.ts')).kubectl(args, options)));

  cli
    .command('kubeconfig')
    .description('print the kubeconfig, or merge it into your own')
    .addOption(nameOption())
    .option('--merge', 'into $KUBECONFIG or ~/.kube/config')
    .action(async (options) => exitWith((await import('../kubeconfig.ts')).kubeconfig(options)));
}
