import type { Command } from 'commander';
import { Option } from 'commander';
import { binDirOption, exitWith, namesOption, nameOption } from './shared.ts';

/** Commands that use the Kubernetes API of a node, or its images. */
export function kubernetesCommands(cli: Command): void {
  cli
    .command('kubectl')
    .description("run the node's kubectl as administrator")
    .argument('[args...]', 'after `--`, for kubectl')
    .addOption(nameOption())
    .passThroughOptions()
    .action(async (args, options) =>
      exitWith((await import('../../commands/kubectl.ts')).kubectl(args, options)),
    );

  cli
    .command('kubeconfig')
    .description("print the administrator's kubeconfig, or merge it into yours")
    .addOption(nameOption())
    .option('--merge', 'merge it into $KUBECONFIG or ~/.kube/config; `down --purge` removes it from there')
    .option('--server <url>', 'URL at which you reach the API server, such as that of a published port')
    .action(async (options) => exitWith((await import('../../commands/kubeconfig.ts')).kubeconfig(options)));

  const image = cli
    .command('image')
    .description('the images of a node: pull, load, save, list and remove them');
  image
    .command('load')
    .description('import the images of an archive: docker save or OCI layout, gzipped or not')
    .argument('<file>', 'archive, OCI folder, or `-` for stdin')
    .addOption(nameOption())
    .action(async (file, options) =>
      exitWith((await import('../../commands/image.ts')).loadImage(file, options)),
    );
  image
    .command('pull')
    .description('pull images as pods do: with the registries of the config')
    .argument('<image...>', 'name, as Docker reads it')
    .addOption(nameOption())
    .action(async (images, options) =>
      exitWith((await import('../../commands/image.ts')).pullImages(images, options)),
    );
  image
    .command('save')
    .description('write images as one archive, for `image load` or docker')
    .argument('<image...>', 'name as `image ls` shows it, or as Docker shortens it')
    .addOption(nameOption())
    .option('-o, --output <file>', 'file to write (default: stdout)')
    .action(async (images, options) =>
      exitWith((await import('../../commands/image.ts')).saveImages(images, options)),
    );
  image
    .command('ls')
    .description('list the images that pods can use without pulling')
    .addOption(nameOption())
    .action(async (options) => exitWith((await import('../../commands/image.ts')).listImages(options)));
  image
    .command('rm')
    .description('remove images')
    .argument('<image...>', 'name as `image ls` shows it, or as Docker shortens it')
    .addOption(nameOption())
    .action(async (images, options) =>
      exitWith((await import('../../commands/image.ts')).removeImages(images, options)),
    );

  tokenCommands(cli.command('token').description('the tokens with which other machines join the cluster'));

  cli
    .command('smoke')
    .description('test the node by using it; exit 7 if a check fails')
    .addOption(nameOption())
    .option('--kubeconfig <file>', 'test this cluster instead of a node')
    .option(
      '--image <image>',
      'image that contains busybox (default: for a node one that is built locally; else busybox)',
    )
    .addOption(namesOption('--only <checks>', 'only these checks and those that they need, comma-separated'))
    .addOption(namesOption('--skip <checks>', 'not these checks and those that need them, comma-separated'))
    .option('--list', 'list the checks and run none')
    .option('--timeout <duration>', 'how long all checks together may take', '300s')
    .option('--junit <file>', 'also write a report as JUnit XML')
    .addOption(binDirOption())
    .addOption(
      new Option('--output <mode>', 'output format').choices(['pretty', 'tap', 'json']).default('pretty'),
    )
    .action(async (options) => exitWith((await import('../../commands/smoke/smoke.ts')).smoke(options)));
}

function tokenCommands(token: Command): void {
  token
    .command('create')
    .description('make a token and print the command that makes another machine a worker')
    .addOption(nameOption())
    .option('--ttl <duration>', 'how long the token is valid, such as 30m or 48h; 0: for ever', '24h')
    .option('--description <text>', 'what it is for, for `token ls`')
    .action(async (options) => exitWith((await import('../../commands/token.ts')).createToken(options)));
  token
    .command('ls')
    .description('print ID, validity and description of each token')
    .addOption(nameOption())
    .action(async (options) => exitWith((await import('../../commands/token.ts')).listTokens(options)));
  token
    .command('rm')
    .description('remove tokens; workers that have joined stay')
    .argument('<id...>', 'ID of a token: what is before the dot')
    .addOption(nameOption())
    .action(async (ids, options) =>
      exitWith((await import('../../commands/token.ts')).removeTokens(ids, options)),
    );
}
