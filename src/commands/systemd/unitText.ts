import { resolve } from 'node:path';
import type { NodeConfig } from '../../config/schema/node.ts';
import { unitMark } from '../../instance/unit.ts';
import { startTimeoutMs } from '../../launcher/systemdNotifier.ts';
import { exitCodes } from '../../lib/errors.ts';
import { nodeName, nodePaths, programFile, unitOf } from '../../lib/paths.ts';
import { upArguments } from '../../supervisor/options.ts';
import type { UpOptions } from '../../supervisor/options.ts';

/**
 * What `up` and the programs that it starts read of the environment: the node is the same as from this shell. K8S_SINGLE_NAME
 * and K8S_SINGLE_FORWARD_LOGS are options already.
 */
const variables = [
  'PATH',
  'HOME',
  'XDG_CACHE_HOME',
  'DOCKER_CONFIG',
  'K8S_SINGLE_BIN_DIR',
  'K8S_SINGLE_EGRESS',
  'K8S_SINGLE_MIRROR',
  'K8S_SINGLE_SERVER',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
  'TZ',
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]),
];

/** A unit, and the variables that it lacks. */
export interface UnitText {
  readonly text: string;
  /** Variables with a password. Every user of the machine can read a unit. */
  readonly secret: readonly string[];
}

/** The unit that runs `up` with these options for this node, by this very program. See systemd.service(5). */
export function unitText(options: UpOptions, node: NodeConfig, env: NodeJS.ProcessEnv): UnitText {
  const { name } = node;
  const unit = unitOf(name);
  const data = nodePaths(name, node.dataDir).data;
  const set = variables.flatMap((variable) => {
    const value = env[variable];
    return value === undefined || value === '' ? [] : [{ variable, value }];
  });
  const program = [process.execPath, programFile('main')];
  const dataDir = node.dataDir === undefined ? [] : ['--data-dir', data];
  const snapshotDir = node.snapshots.dir === undefined ? [] : [node.snapshots.dir];
  const cleanUp = [...program, '__unit-cleanup', '--name', name, ...dataDir];
  const text = `${unitMark}${JSON.stringify(data)}
# \`k8s-single systemd install\` replaces this file. Your own settings: systemctl edit ${unit.name}

[Unit]
Description=k8s-single node ${name}
Wants=network-online.target
After=${['network-online.target', ...controlPlane(options)].join(' ')}
RequiresMountsFor=${[data, programFile('main'), ...filesOf(options), ...snapshotDir].map(quote).join(' ')}
StartLimitIntervalSec=10min
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
${set
  .filter((each) => !isSecret(each))
  .map(({ variable, value }) => `Environment=${quote(`${variable}=${value}`)}\n`)
  .join('')}ExecStart=${execLine([...program, 'up', ...upArguments(options, name)])}
# After a main process that was killed: stops and removes what is left, unless the next start takes it over.
ExecStopPost=${execLine(cleanUp)}
SyslogIdentifier=${unit.name.replace('.service', '')}
# The supervisor stops its components itself, in order. Only what is left then is killed.
KillMode=mixed
Delegate=yes
# Extended as long as the program shows signs of life: a download may take long, and the boot has its own --timeout.
TimeoutStartSec=${startTimeoutMs / 1000}
# An orderly stop takes up to 120 s, and what does not stop is killed after that.
TimeoutStopSec=180
WatchdogSec=60
Restart=on-failure
RestartSec=1
# A wrong config, and a machine that is not suitable: a restart does not help.
RestartPreventExitStatus=${exitCodes.usage} ${exitCodes.preflight}
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`;
  return { text, secret: set.filter(isSecret).map(({ variable }) => variable) };
}

/** The config and the folders of binaries, absolute. */
function filesOf({ config, binDir = [] }: UpOptions): string[] {
  return [...(config === undefined ? [] : [config]), ...binDir].map((path) => resolve(path));
}

/** The unit of the node of this machine whose worker the node is. */
function controlPlane({ join }: UpOptions): string[] {
  return join !== undefined && nodeName.test(join) ? [unitOf(join).name] : [];
}

/** A URL with a user name. */
function isSecret({ value }: { readonly value: string }): boolean {
  return /\/\/[^/]*@/.test(value);
}

/** A command line: `$` begins a variable, except in the path of the program. */
function execLine([program = '', ...args]: readonly string[]): string {
  return [quote(program), ...args.map((word) => quote(word).replaceAll('$', '$$$$'))].join(' ');
}

/**
 * A word of a unit as systemd reads it (systemd.syntax(7)): quoted if necessary, with C escapes for quotes and control
 * characters. `%` begins a specifier anywhere.
 * @internal exported for tests
 */
export function quote(word: string): string {
  const escaped = word
    .replaceAll('%', '%%')
    .replaceAll(/["\\]/g, String.raw`\$&`)
    .replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return /^[\w@%+=:,./$-]+$/.test(word) ? escaped : `"${escaped}"`;
}
