import { join } from 'node:path';
import type { NodeFacts } from '../facts.ts';

/** The interface of the node that all its pods are plugged into. */
export const bridgeName = 'cni0';

/** The pods' network: a bridge, addresses from the pod range, host ports. As of the CNI specification 0.4.0. */
export function bridgeNetwork({ config, paths, areNetworkSettingsWritable }: NodeFacts): string {
  const bridge = {
    type: 'bridge',
    bridge: bridgeName,
    isGateway: true,
    ipMasq: true,
    // A pod may reach itself through its own Service.
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      ranges: [[{ subnet: config.network.podCidr }]],
      routes: [{ dst: '0.0.0.0/0' }],
      // With the run folder: after a restart of the node no pod of old holds an address.
      dataDir: join(paths.run, 'cni'),
    },
  };
  const portmap = {
    type: 'portmap',
    capabilities: { portMappings: true },
    // Host ports on loopback: for them it sets route_localnet of the bridge.
    snat: areNetworkSettingsWritable,
  };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge, portmap] }, undefined, 2);
}
