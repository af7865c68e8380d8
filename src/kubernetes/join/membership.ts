import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { at, parseJson, textAt } from '../../../probes/transport/json.ts';
import { Failure } from '../../lib/errors.ts';
import type { Paths } from '../../lib/paths.ts';
import { pkiPaths } from '../pki/paths.ts';
import { readClusterFacts } from './cluster.ts';
import type { ClusterFacts } from './cluster.ts';

/** What a worker knows of its cluster. It is kept in the data folder: only the first start needs a token. */
export interface Membership {
  /** The URL of the API server. */
  readonly server: string;
  /** The cluster's CA as PEM: the server's certificate was verified with it, and it with the pin. */
  readonly ca: string;
  readonly cluster: ClusterFacts;
  /** The name of the control plane, if both are in sandboxes on this machine. */
  readonly control?: string;
}

/** A membership, and what only this start knows of it. */
export interface Joining extends Membership {
  /** The range of its pods, if the cluster has a Node of this name that has one. */
  readonly podCidr?: string;
  /** The token of one who has no certificate yet. */
  /** `ID.SECRET`, for the API server. */
  readonly bootstrapToken?: string;
}

/** Its file in the data folder. */
export function membershipFile({ data }: Pick<Paths, 'data'>): string {
  return join(data, 'cluster.json');
}

/** The file in the data folder with the token of a worker that systemd is to start, until it has joined. */
export function tokenFile({ data }: Pick<Paths, 'data'>): string {
  return join(data, 'join-token');
}

/**
 * The membership of the node with this data folder; undefined if it is no worker.
 * @throws Failure `preflight` if the file is damaged
 */
export function readMembership(paths: Pick<Paths, 'data'>): Membership | undefined {
  const file = membershipFile(paths);
  if (!existsSync(file)) return undefined;
  const content = parseJson(readFileSync(file, 'utf8'));
  const cluster = readClusterFacts(at(content, 'cluster'));
  const [server, ca] = [textAt(content, 'server'), textAt(content, 'ca')];
  const control = textAt(content, 'control');
  if (cluster !== undefined && URL.canParse(server) && ca !== '')
    return { server, ca, cluster, ...(control !== '' && { control }) };
  throw new Failure('preflight', `${file} is damaged: it does not describe a cluster`, {
    hint: 'join again: take the worker down with --purge, and bring it up with --join and a new token',
  });
}

/** Whether the data folder is that of a control plane. */
export function hasControlPlane({ pki }: Pick<Paths, 'pki'>): boolean {
  return existsSync(pkiPaths(pki).ca.key);
}

/** The certificate and key of a kubelet that has joined, in one file, which it replaces when it renews them. */
export function kubeletClientFile({ kubelet }: Pick<Paths, 'kubelet'>): string {
  return join(kubelet, 'pki', 'kubelet-client-current.pem');
}
