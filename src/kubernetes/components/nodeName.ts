import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiObject } from '../../../probes/kinds/api.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { listAt, textAt } from '../../../probes/transport/json.ts';
import { overlap, parseCidr } from '../../config/schema/addresses.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { nodes, readNode } from '../../helper/workers/node.ts';
import type { ClusterNode } from '../../helper/workers/node.ts';
import { createFileAtomicallySync } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import type { Paths } from '../../lib/paths.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { privateMode } from '../pki/files.ts';
import { annotateNode } from './bootstrapSteps.ts';
import { milestone, waitUntil } from './milestones.ts';

/** The annotation with {@link idOf} the node that has registered. */
const annotation = 'k8s-single/node-id';

/**
 * Without news for this long, a node counts as lost, in ms: --node-monitor-grace-period of kube-controller-manager, up to 1.31. 50 s
 * since 1.32.
 */
const lostAfterMs = 50_000;

/**
 * In a cluster of several control planes: ready when no other node has the name of this one, or pods of its range. Two kubelets with one
 * name would run each other's pods. A node that was lost, and has come back with new data, has its name when its old kubelet is silent.
 */
export function nodeName(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { nodeName: name, network } = facts.config;
  const access = adminAccess(facts);
  const list = apiObject(access, nodes.path, 'no nodes');
  const lease = apiObject(
    access,
    `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}`,
    '',
  );
  let firstSeen: string | undefined;
  let refusal: Failure | undefined;
  const isKnown: Probe = async (signal) => {
    const all = listAt(await list(signal), 'items').map(readNode);
    refusal = rangeTaken(
      network.podCidr,
      all.filter((each) => each.name !== name),
    );
    if (refusal !== undefined) return;
    const taken = all.find((each) => each.name === name);
    const id = textAt(taken?.annotations, annotation);
    if (id === '' || id === idOf(facts.paths)) return;
    const renewed = textAt(await lease(signal).catch(() => undefined), 'spec', 'renewTime');
    firstSeen ??= renewed;
    if (renewed !== firstSeen) {
      refusal = nameTaken(name);
      return;
    }
    const silentMs = Date.now() - Date.parse(renewed);
    if (silentMs < lostAfterMs)
      throw new Unhealthy(`another machine may have node ${name}: waiting whether its kubelet is silent`);
  };
  return milestone('node-name', needs, [
    waitUntil(isKnown),
    async () => {
      if (refusal !== undefined) throw refusal;
    },
  ]);
}

/** Passes when the Node says that it is of this data folder. */
export function claimNodeName(facts: NodeFacts): Probe {
  return async (signal) =>
    annotateNode(adminAccess(facts), facts.config.nodeName, { [annotation]: idOf(facts.paths) })(signal);
}

/** What tells the node of this data folder from any other with its name. Made once. */
function idOf({ data }: Pick<Paths, 'data'>): string {
  const file = join(data, 'node-id');
  if (!existsSync(file))
    createFileAtomicallySync(file, `${randomUUID()}\n`, { mode: privateMode, durable: true });
  return readFileSync(file, 'utf8').trim();
}

function rangeTaken(own: string, others: readonly ClusterNode[]): Failure | undefined {
  const range = parseCidr(own);
  const other = others.find(({ podCidr }) => {
    const theirs = parseCidr(podCidr);
    return typeof range !== 'string' && typeof theirs !== 'string' && overlap(range, theirs);
  });
  if (other === undefined) return undefined;
  return new Failure(
    'preflight',
    `network.podCidr ${own} overlaps that of node ${other.name}, ${other.podCidr}`,
    {
      hint: `give this node another one; or, if that one is gone for good: kubectl delete node ${other.name}`,
    },
  );
}

function nameTaken(name: string): Failure {
  return new Failure('preflight', `the cluster has a node ${name} already, on another machine`, {
    hint: 'set another nodeName in the config of this one',
  });
}
