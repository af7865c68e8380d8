import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import type { NodeFacts } from '../facts.ts';

/** The bridge on the node to which all pods are attached. */
export const bridgeName = 'cni0';

/**
 * The pod network as a CNI configuration (version 0.4.0): a bridge, addresses from the pod range, host ports.
 */
function bridgeNetwork({ paths, areNetworkSettingsWritable }: NodeFacts, podCidr: string): string {
  const bridge = {
    type: 'bridge',
    bridge: bridgeName,
    isGateway: true,
    // One chain for all pods instead: see masquerade() in host/natChain.ts.
    ipMasq: false,
    // A pod may reach itself through its own Service.
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      ranges: [[{ subnet: podCidr }]],
      routes: [{ dst: '0.0.0.0/0' }],
      // In the run folder, so that pods of an earlier run hold no addresses after the node restarts.
      dataDir: join(paths.run, 'cni'),
    },
  };
  const portmap = {
    type: 'portmap',
    capabilities: { portMappings: true },
    // Needed for host ports on 127.0.0.1: the plugin then sets route_localnet of the bridge.
    snat: areNetworkSettingsWritable,
  };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge, portmap] }, undefined, 2);
}

function networkFile({ paths }: NodeFacts): string {
  return join(paths.cni, '10-bridge.conflist');
}

/** Tells containerd the pod network, whose pods have addresses in this range. It reads the file again when it changes. */
export function writeNetwork(facts: NodeFacts, podCidr: string): void {
  writeFileAtomicallySync(networkFile(facts), bridgeNetwork(facts, podCidr), { mode: 0o600 });
}

/** No pod starts until there is a network again. */
export function removeNetwork(facts: NodeFacts): void {
  rmSync(networkFile(facts), { force: true });
}
