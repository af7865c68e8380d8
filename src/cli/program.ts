import { existsSync, readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { exitCodes } from '../errors.ts';

const name = (): Option =>
  new Option('--name <name>', 'which node').default('default').env('K8S_SINGLE_NAME');
const collect = (value: string, earlier: readonly string[] = []): string[] => [...earlier, value];
const binDir = (): Option =>
  new Option(
    '--bin-dir <dir>',
    'look here for binaries first (repeatable; also K8S_SINGLE_BIN_DIR)',
  ).argParser(collect);
const source = (): Option =>
  new Option('--source <source>', 'where missing binaries come from')
    .choices(['auto', 'release', 'debian'])
    .default('auto');

/** The command line. Each command loads its own code, so that `status` does not pay for `up`. */
export function program(): Command {
  const cli = new Command('k8s-single')
    .description('A real Kubernetes node, now, on one machine.')
    .version(version())
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false });

  cli
    .command('up')
    .description('bring the node up and keep it up; Ctrl-C takes it down')
    .option('--config <file>', 'the YAML config')
    .addOption(name().default(undefined))
    .option('--data-dir <dir>', 'what survives `down` (default: /var/lib/k8s-single/NAME)')
    .addOption(binDir())
    .option('--detach', 'return when the node is ready and leave it running')
    .option('--timeout <duration>', 'how long the whole boot may take (default: 300s)')
    .option('--host', 'no namespaces of its own: run on the host itself')
    .option('--no-install', 'use what is there; install nothing')
    .addOption(source())
    .addOption(
      new Option('--output <mode>', 'how to show what happens')
        .choices(['auto', 'pretty', 'plain', 'json'])
        .default('auto'),
    )
    .action(async (options) => exitWith((await import('./up.ts')).up(options)));

  cli
    .command('down')
    .description('take the node down and leave nothing behind but its data')
    .addOption(name())
    .option('--purge', 'remove its data too')
    .option('--data-dir <dir>', 'where the data is, when it is not where it usually is')
    .action(async (options) => exitWith((await import('./down.ts')).down(options)));

  cli
    .command('status')
    .description('what is up, what is not, and why; exit 0 only when the whole node is ready')
    .addOption(name())
    .addOption(new Option('--output <format>', 'the format').choices(['table', 'json']).default('table'))
    .option('--wait', 'wait until the node is ready')
    .option('--watch', 'redraw until Ctrl-C')
    .option('--timeout <duration>', 'how long to wait', '300s')
    .action(async (options) => exitWith((await import('./status.ts')).status(options)));

  cli
    .command('kubectl')
    .description("kubectl as the node's administrator")
    .argument('[args...]', 'after `--`, for kubectl')
    .addOption(name())
    .passThroughOptions()
    .action(async (args, options) => exitWith((await import('./kubectl.ts')).kubectl(args, options)));

  cli
    .command('kubeconfig')
    .description('print the kubeconfig, or merge it into your own')
    .addOption(name())
    .option('--merge', 'into $KUBECONFIG or ~/.kube/config')
    .action(async (options) => exitWith((await import('./kubeconfig.ts')).kubeconfig(options)));

  cli
    .command('install')
    .description('get the binaries and say where they are')
    .addOption(binDir())
    .addOption(source())
    .option('--kubernetes <version>', 'the Kubernetes version')
    .action(async (options) => exitWith((await import('./install.ts')).installCommand(options)));

  cli
    .command('doctor')
    .description('what this machine lacks, and the command that mends it')
    .addOption(name())
    .addOption(binDir())
    .option('--host', 'for a node on the host itself')
    .action(async (options) => exitWith((await import('./doctor.ts')).doctor(options)));

  cli
    .command('probe')
    .description('look once; exit 0, or 1 with the reason')
    .argument('<kind>', 'what kind of look')
    .argument('<target...>', 'at what')
    .option('--ca <file>', 'the CA that must have signed the certificate')
    .option('--cert <file>', "the client's certificate")
    .option('--key <file>', "the client's private key")
    .option('--timeout <duration>', 'how long the look may take', '5s')
    .passThroughOptions()
    .addHelpText('after', () => '\nKinds: http, tcp, unix, exec, file, etcd, grpc, cri')
    .action(async (kind, target, options) =>
      exitWith((await import('./probe.ts')).probe(kind, target, options)),
    );

  cli.addHelpText('after', exitCodeHelp);
  return cli;
}

async function exitWith(code: Promise<number>): Promise<void> {
  process.exitCode = await code;
}

function exitCodeHelp(): string {
  const meanings = {
    ok: 'fine',
    bug: 'a bug, or a probe that does not pass',
    usage: 'wrong usage or config',
    preflight: 'this machine cannot, or something is in the way',
    notReady: 'not ready (in time)',
    crashLoop: 'a component was given up',
    install: 'the binaries cannot be had',
    smoke: 'the smoke test failed',
  } satisfies Record<keyof typeof exitCodes, string>;
  const lines = Object.values(meanings).map((meaning, code) => `  ${code}  ${meaning}`);
  return `\nExit codes:\n${lines.join('\n')}`;
}

/** From dist/src/cli as from src/cli: the nearest package.json above is ours. */
function version(): string {
  const places = ['../../package.json', '../../../package.json'].map(
    (path) => new URL(path, import.meta.url),
  );
  const file = places.find((place) => existsSync(place));
  const description: { version?: string } = file === undefined ? {} : JSON.parse(readFileSync(file, 'utf8'));
  return description.version ?? 'unknown';
}
