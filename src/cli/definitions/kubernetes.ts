import type { Command } from 'commander';
import { Option } from 'commander';
import { binDirOption, exitWith, namesOption, nameOption } from './shared.ts';

/** Commands that use the node as Kubernetes. */
export function kubernetesCommands(cli: Command): void {
  cli
    .command('kubectl')
    .description("kubectl as the node's administrator")
    .argument('[args...]', 'after `--`, for kubectl')
    .addOption(nameOption())
    .passThroughOptions()
    .action(async (args, options) =>
      exitWith((await import('../../commands/kubectl.ts')).kubectl(args, options)),
    );

  cli
    .command('kubeconfig')
    .description('print the kubeconfig, or merge it into your own')
    .addOption(nameOption())
    .option('--merge', 'into $KUBECONFIG or ~/.kube/config')
    .option('--server <url>', 'where you reach the API server: a published port, for one')
    .action(async (options) => exitWith((await import('../../commands/kubeconfig.ts')).kubeconfig(options)));

  const image = cli.command('image').description('images without a registry');
  image
    .command('load')
    .description('make the images of an archive known to the node: docker save or OCI layout, gzipped or not')
    .argument('<file>', 'the archive, an OCI folder, or `-` for stdin')
    .addOption(nameOption())
    .action(async (file, options) =>
      exitWith((await import('../../commands/image.ts')).loadImage(file, options)),
    );
  image
    .command('ls')
    .description('the images that pods can be made of without pulling')
    .addOption(nameOption())
    .action(async (options) => exitWith((await import('../../commands/image.ts')).listImages(options)));

  cli
    .command('smoke')
    .description('prove that the node works by using it; exit 7 when a check fails')
    .addOption(nameOption())
    .option('--kubeconfig <file>', 'test this cluster instead of a node')
    .option(
      '--image <image>',
      'an image with busybox in it (default: one that is built here; busybox for a cluster)',
    )
    .addOption(namesOption('--only <checks>', 'only these, comma-separated, and what they need'))
    .addOption(namesOption('--skip <checks>', 'all but these, comma-separated, and what needs them'))
    .option('--list', 'say what would be checked, and do nothing')
    .option('--timeout <duration>', 'how long all checks together may take', '300s')
    .option('--junit <file>', 'write a report as JUnit XML, too')
    .addOption(binDirOption())
    .addOption(
      new Option('--output <mode>', 'the format').choices(['pretty', 'tap', 'json']).default('pretty'),
    )
    .action(async (options) =>
      exitWith((await import('../../commands/smoke/smoke.ts')).smokeCommand(options)),
    );
}
