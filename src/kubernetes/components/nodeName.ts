import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiObject } from '../../../probes/kinds/api.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { listAt, textAt } from '../../../probes/transport/json.ts';
import { overlap, parseCidr } from '../../config/schema/addresses.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { nodePath, nodes, readNode } from '../../helper/workers/node.ts';
import type { ClusterNode } from '../../helper/workers/node.ts';
import { createFileAtomicallySync } from '../../lib/atomicFile.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import type { Paths } from '../../lib/paths.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { privateMode } from '../pki/files.ts';
import { annotateNode } from './bootstrapSteps.ts';
import { milestone, waitUntil } from './milestones.ts';

/** The annotation with {@link idOf} the node that has registered. */
const annotation = 'k8s-single/node-id';

/** A kubelet renews its lease every 10 s (a quarter of nodeLeaseDurationSeconds): one that does not for so long, in ms, has ended. */
const silentMs = 30_000;

const noLease = 'it has no lease';

/**
 * In a cluster of several control planes: ready when no other node has the name of this one, or pods of its range. Two kubelets with one
 * name would run each other's pods. A node that was lost, and has come back with new data, has its name when its old kubelet is silent.
 */
export function nodeName(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { nodeName: name, network } = facts.config;
  const access = adminAccess(facts);
  const list = apiObject(access, nodes.path, 'no nodes');
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  const lease = apiObject(access, `${leases}/${encodeURIComponent(name)}`, noLease);
  const renewTime = async (signal: AbortSignal): Promise<string> =>
    lease(signal).then(
      (object) => textAt(object, 'spec', 'renewTime'),
      (error: unknown) => {
        if (reasonOf(error) === noLease) return '';
        throw error;
      },
    );
  // Not by the time in it: the clock of the other machine may be another one.
  let seen: { readonly renewed: string; readonly at: number } | undefined;
  let refusal: Failure | undefined;
  const isKnown: Probe = async (signal) => {
    const all = listAt(await list(signal), 'items').map(readNode);
    refusal = rangeTaken(
      network.podCidr,
      all.filter((each) => each.name !== name),
    );
    if (refusal !== undefined) return;
    const id = idIn(all.find((each) => each.name === name));
    if (id === '' || id === idOf(facts.paths)) return;
    const renewed = await renewTime(signal);
    seen ??= { renewed, at: performance.now() };
    if (renewed !== seen.renewed) {
      refusal = nameTaken(name);
      return;
    }
    if (performance.now() - seen.at < silentMs)
      throw new Unhealthy(
        `another machine had node ${name}: waiting whether its kubelet is silent for ${silentMs / 1000} s`,
      );
    await annotateNode(access, name, { [annotation]: idOf(facts.paths) })(signal);
  };
  return milestone('node-name', needs, [
    waitUntil(isKnown),
    async () => {
      if (refusal !== undefined) throw refusal;
    },
  ]);
}

/** Passes when the Node says that it is of this data folder, and fails if it says that it is of another. */
export function claimNodeName(facts: NodeFacts): Probe {
  const { nodeName: name } = facts.config;
  const access = adminAccess(facts);
  const get = apiObject(access, nodePath(name), `node ${name} is not registered`);
  return async (signal) => {
    const id = idIn(readNode(await get(signal)));
    if (id === idOf(facts.paths)) return;
    if (id !== '') throw nameTaken(name);
    await annotateNode(access, name, { [annotation]: idOf(facts.paths) })(signal);
  };
}

function idIn(node: ClusterNode | undefined): string {
  return textAt(node?.annotations, annotation);
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
      hint: `give this node another one; or, if that one is gone for good, on a node of the cluster that runs: kubectl delete node ${other.name}`,
    },
  );
}

function nameTaken(name: string): Failure {
  return new Failure('preflight', `the cluster has a node ${name} already, on another machine`, {
    hint: 'set another nodeName in the config of this one',
  });
}
