import { etcd as healthy } from '../../../probes/kinds/etcd.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';
import { knownFlags } from './help.ts';

/** The store of the API server, on loopback only. */
export function etcd(
  { config, paths, programs, env, cacheDir }: NodeFacts,
  needs: readonly Dependency[],
): Service {
  const { etcdPort, etcdPeerPort } = config.network;
  const client = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${etcdPeerPort}`;
  const fixed = {
    'advertise-client-urls': client,
    'data-dir': paths.etcd,
    // The only member has nobody to wait for, and yet elects itself after this time only whenever it starts again.
    'election-timeout': 200,
    'heartbeat-interval': 40,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    'listen-client-urls': client,
    'listen-peer-urls': peer,
  };
  const command = async () => {
    // From 3.4.14 and 3.5 on; without it the node is as right, only slower.
    const fast = !config.etcd.fsync && (await knownFlags(programs.etcd, cacheDir)).has('unsafe-no-fsync');
    return { file: programs.etcd, args: flags({ ...fixed, 'unsafe-no-fsync': fast || undefined }), env };
  };
  return {
    kind: 'service',
    name: 'etcd',
    needs,
    command,
    ready: healthy(client),
    // A restart does not mend a full quota, which the plain look calls unhealthy.
    live: healthy(client, { live: true }),
    ports: [etcdPort, etcdPeerPort],
  };
}
