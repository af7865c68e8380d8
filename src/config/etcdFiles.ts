import { resolve } from 'node:path';
import { reasonOf } from '../lib/errors.ts';
import type { Config } from './config.ts';
import { certificatesIn, checkKey } from './pemFiles.ts';
import { etcdFileKeys } from './schema/etcd.ts';
import type { NodeConfig } from './schema/node.ts';
import { Problems } from './yaml/problems.ts';

/**
 * The settings of an etcd of others, with absolute paths. Whether it answers is no question of the config.
 * @throws Failure `usage` with the position of each file that cannot be used, and of each setting that needs an etcd of the node
 */
export function resolveEtcd({ node, dir, file, positionOf }: Config): NodeConfig['etcd'] {
  const given = etcdFileKeys.flatMap((key) => {
    const path = node.etcd[key];
    return path === undefined ? [] : [[key, resolve(dir, path)] as const];
  });
  const etcd: NodeConfig['etcd'] = { ...node.etcd, ...Object.fromEntries(given) };
  const problems = new Problems(file ?? 'the built-in config');
  const refuse = (path: readonly string[], reason: string): void =>
    problems.add(positionOf(path), `${path.join('.')}: ${reason}`);
  for (const [key, path] of given) {
    try {
      if (key === 'keyFile') checkKey(path, etcd.certFile);
      else certificatesIn(path);
    } catch (error) {
      refuse(['etcd', key], reasonOf(error));
    }
  }
  if (node.snapshots.every !== undefined)
    refuse(
      ['snapshots', 'every'],
      'the cluster is in an etcd of others: let etcdctl take snapshots of that one',
    );
  problems.throwIfAny();
  return etcd;
}
