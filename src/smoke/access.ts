import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { listAt, parseJson, textAt, at } from '../../probes/transport/json.ts';
import { Failure, reasonOf } from '../lib/errors.ts';

/** How to reach a cluster and as whom: what a kubeconfig says, as PEM. */
export interface Access {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  /** The name that the server's certificate is for, when it is not that of `server`. */
  readonly serverName?: string;
  readonly insecure: boolean;
}

/**
 * The current context of a kubeconfig. kubectl reads it, so that files, data and defaults mean what they mean there.
 * @throws Failure `usage` when it says nothing we can use.
 */
export async function accessOf(kubectl: string, kubeconfig: string): Promise<Access> {
  const view = ['config', 'view', '--raw', '--minify', '--flatten', '--output', 'json'];
  const { stdout } = await execa(kubectl, ['--kubeconfig', kubeconfig, ...view]).catch((cause: unknown) => {
    const why = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : reasonOf(cause);
    throw new Failure('usage', `${kubeconfig} cannot be used: ${why.trim() || reasonOf(cause)}`, { cause });
  });
  const config = parseJson(stdout);
  const cluster = at(listAt(config, 'clusters')[0], 'cluster');
  const user = at(listAt(config, 'users')[0], 'user');
  const server = textAt(cluster, 'server');
  if (server === '') throw new Failure('usage', `${kubeconfig} names no server`);
  refuseOthers(kubeconfig, cluster, user);
  const tokenFile = textAt(user, 'tokenFile');
  const found = {
    ca: decoded(textAt(cluster, 'certificate-authority-data')),
    cert: decoded(textAt(user, 'client-certificate-data')),
    key: decoded(textAt(user, 'client-key-data')),
    token: tokenFile === '' ? textAt(user, 'token') : (await readFile(tokenFile, 'utf8')).trim(),
    serverName: textAt(cluster, 'tls-server-name'),
  };
  const given = Object.entries(found).filter(([, value]) => value !== '');
  return {
    server: server.replace(/\/+$/, ''),
    ...Object.fromEntries(given),
    insecure: at(cluster, 'insecure-skip-tls-verify') === true,
  };
}

/** The same cluster as somebody else. */
export function withToken({ cert: _cert, key: _key, ...cluster }: Access, token: string): Access {
  return { ...cluster, token };
}

/** Ways to get in that need another program or a password. */
function refuseOthers(kubeconfig: string, cluster: unknown, user: unknown): void {
  const foreign =
    ['exec', 'auth-provider', 'username'].find((key) => at(user, key) !== undefined) ??
    ['proxy-url'].find((key) => at(cluster, key) !== undefined);
  if (foreign === undefined) return;
  throw new Failure('usage', `${kubeconfig} uses "${foreign}", which the smoke test cannot`, {
    hint: 'give a kubeconfig with a client certificate or a token: kubectl create token, kubectl config set-credentials',
  });
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
