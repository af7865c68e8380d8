import { readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import { nodeNamesIn } from './nodeNames.ts';

// The nodes of a cluster on this machine, each in its own namespaces, that reach each other.

/** What a node tells the others of its cluster: `network.json` in its run folder. */
export interface ClusterMember {
  readonly cluster: string;
  /** The name of the interface by which the host is in the cluster's network. */
  readonly interface: string;
  /** The range of that network. */
  readonly cidr: string;
  /** The network namespace with the cluster's bridge: a path in /proc of a process that has it open, and what it leads to. */
  readonly namespace: { readonly path: string; readonly id: string };
}

/** The file of a node with this run folder. */
export function memberFile(run: string): string {
  return join(run, 'network.json');
}

/** What the node with this run folder has written there; undefined if it belongs to no cluster. */
export function readMember(run: string): ClusterMember | undefined {
  let text: string;
  try {
    text = readFileSync(memberFile(run), 'utf8');
  } catch {
    return undefined;
  }
  const content = parseJson(text);
  const [cluster, name, cidr] = ['cluster', 'interface', 'cidr'].map((key) => textAt(content, key));
  const [path, id] = ['path', 'id'].map((key) => textAt(content, 'namespace', key));
  if (!cluster || !name || !cidr || !path || !id) return undefined;
  return { cluster, interface: name, cidr, namespace: { path, id } };
}

/** The nodes of a cluster that live, without the one with this run folder. */
export function otherMembers(cluster: string, run: string): ClusterMember[] {
  const parent = dirname(run);
  return nodeNamesIn(parent)
    .map((name) => join(parent, name))
    .filter((folder) => folder !== run)
    .map(readMember)
    .filter((member) => member !== undefined)
    .filter((member) => member.cluster === cluster && lives(member));
}

/** Whether the process still has the namespace open; not another one that has got its pid. */
function lives({ namespace: { path, id } }: ClusterMember): boolean {
  try {
    return readlinkSync(path) === id;
  } catch {
    return false;
  }
}
