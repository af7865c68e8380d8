import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { version } from '../lib/version.ts';

/** The folder of the pool of this machine: its lock, its socket and its log. No node and no cluster has such a name. */
export const poolFolder = '/run/k8s-single/.pool.keeper';

/** The socket of its keeper. Each line is a JSON value: one request, its answer, and for `take` one `taken`. */
export const poolSocket = join(poolFolder, 'socket');

/** The file in the run folder of a node that belongs to the pool, until somebody has taken it. */
export const poolMark = 'pooled';

export type PoolRequest =
  /** A node whose config has this fingerprint. */
  | { readonly type: 'take'; readonly fingerprint: string }
  /** It has an owner now. Otherwise it is removed when the connection ends. */
  | { readonly type: 'taken' }
  /** The owner, on the same connection, does not need it any more. Answered when the keeper cares for it again. */
  | { readonly type: 'remove' }
  | { readonly type: 'status' }
  /** Answered when every node is gone. */
  | { readonly type: 'stop' };

/** The answer to `take`. */
export type TakeAnswer = { readonly name: string } | { readonly reason: 'empty' | 'otherConfig' };

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

/** Something that is the same for configs of which the nodes are alike. */
export function poolFingerprint({ node, components }: Pick<Config, 'node' | 'components'>): string {
  const { name: _name, dataDir: _dataDir, timeouts: _timeouts, ...alike } = node;
  // How the snapshots of a node are called does not matter for one of which nothing is kept.
  const values = [version(), { ...alike, snapshots: undefined }, components];
  return createHash('sha256').update(JSON.stringify(values)).digest('base64');
}
