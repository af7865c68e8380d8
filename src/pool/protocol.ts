import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import type { SourceName } from '../install/sources.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { fileSignatures } from '../lib/fileSignatures.ts';
import { proxyEnv } from '../lib/proxyEnv.ts';
import { version } from '../lib/version.ts';

/** The folder of the pool of this machine: its lock, its socket and its log. No node and no cluster has such a name. */
export const poolFolder = '/run/k8s-single/.pool.keeper';

/** The socket of its keeper. Each line is a JSON value: one request, its answer, and for `take` all that follows until the node is gone. */
export const poolSocket = join(poolFolder, 'socket');

export type PoolRequest =
  /** A node whose config has this fingerprint. */
  | { readonly type: 'take'; readonly fingerprint: string }
  /**
   * It has an owner now. Otherwise it is removed when the connection ends. Answered when it is the pool's no more, and once more, by a
   * {@link NodeEnd}, if it then ends although nobody has asked the keeper for it.
   */
  | { readonly type: 'taken' }
  /** The owner, on the same connection, lets it live on: otherwise it is removed when the connection ends. */
  | { readonly type: 'kept' }
  /** The owner, on the same connection, does not need it any more. Answered when the keeper cares for it again. */
  | { readonly type: 'remove' }
  | { readonly type: 'status' }
  /** Answered when every node is gone. */
  | { readonly type: 'stop' };

/** The answer to `take`. */
export type TakeAnswer = { readonly node: NodeFile } | { readonly reason: 'empty' | 'otherConfig' };

/** How a node in use has ended. */
export interface NodeEnd {
  readonly type: 'ended';
  /** The exit code of its supervisor. */
  readonly code: number;
  /** What its supervisor has written, and which signal has ended it. */
  readonly output: string;
}

/** The answer to `status`, and a line of `pool status --output json`. */
export interface PoolStatus {
  readonly size: number;
  /** Nodes that are ready and frozen. */
  readonly ready: readonly string[];
  /** The node that is being started. */
  readonly starting: string | null;
  /** How many were taken so far. */
  readonly taken: number;
  /** Why there are fewer than `size`. */
  readonly reason: string | null;
}

/** What the parts of a node get of the environment. Not PATH, which is another one in each script of npm. */
const variables = [
  'TZ',
  'HOME',
  'XDG_CACHE_HOME',
  'DOCKER_CONFIG',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
];

/** What differs between two commands that are typed one after the other, or are scripts of npm. */
const fleeting = /^(?:_|PWD|OLDPWD|SHLVL|INIT_CWD|npm_.*)$/;

/**
 * Something that is the same for configs, and environments, of which the nodes are alike.
 * @param source where binaries that are missing come from
 */
export function poolFingerprint(
  { node, components, dir }: Pick<Config, 'node' | 'components' | 'dir'>,
  source: SourceName,
): string {
  const { name, dataDir: _dataDir, timeouts: _timeouts, ...alike } = node;
  const binDirs = alike.binDirs.map((folder) => resolve(folder));
  const values = [
    version(),
    source,
    { ...alike, binDirs },
    fileSignatures({ ...alike, binDirs }, { inFolders: true }),
    Object.keys(components).length === 0 ? [] : surroundings(components, dir),
    variables.map((variable) => process.env[variable]),
    proxyEnv(process.env, []),
  ];
  // Components may refer to the name, and to paths that it is in.
  const text = JSON.stringify(values).replaceAll(name, '');
  return createHash('sha256').update(text).digest('base64');
}

/** What programs of a user's own find, which inherit all from `up`: see "What the components get" in docs/operations.md. */
function surroundings(components: Config['components'], dir: string): unknown {
  const environment = Object.entries(process.env)
    .filter(([name]) => !fleeting.test(name))
    .map(([name, value]) => `${name}=${value}`);
  return [
    components,
    fileSignatures(components, { dir }),
    dir,
    process.cwd(),
    process.umask(),
    environment.toSorted(),
  ];
}
