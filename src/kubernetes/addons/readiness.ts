import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import { groupOf } from './kubeApi.ts';
import type { KubeApi } from './kubeApi.ts';

/** Why an object is not ready, in words that follow its name; undefined if it is. */
type WhyNotReady = (object: unknown, api: KubeApi, signal: AbortSignal) => Promise<string | undefined>;

const kinds: Readonly<Record<string, WhyNotReady>> = {
  'apps/Deployment': workload('availableReplicas', 'available', 'updatedReplicas'),
  'apps/StatefulSet': workload('readyReplicas', 'ready'),
  'apps/ReplicaSet': workload('availableReplicas', 'available'),
  '/ReplicationController': workload('availableReplicas', 'available'),
  'apps/DaemonSet': daemonSet,
  'batch/Job': job,
  '/Pod': pod,
  'apiextensions.k8s.io/CustomResourceDefinition': hasCondition('Established'),
  'apiregistration.k8s.io/APIService': hasCondition('Available'),
};

/** How readiness is seen of a kind; undefined for a kind that is ready as soon as it is there. */
export function readinessOf({
  apiVersion,
  kind,
}: {
  apiVersion: string;
  kind: string;
}): WhyNotReady | undefined {
  return kinds[`${groupOf(apiVersion)}/${kind}`];
}

/** Ready when the object has this condition with the status True. */
export function hasCondition(type: string): WhyNotReady {
  return async (object) => {
    const found = condition(object, type);
    if (textAt(found, 'status') === 'True') return undefined;
    return found === undefined
      ? `its condition ${type} is not known yet`
      : `${type} is ${textAt(found, 'status')}${reasonIn(found)}`;
  };
}

function workload(field: string, word: string, updated?: string): WhyNotReady {
  return async (object, api, signal) => {
    const wanted = numberAt(object, ['spec', 'replicas'], 1);
    const have = numberAt(object, ['status', field], 0);
    const isCurrent = updated === undefined || numberAt(object, ['status', updated], 0) >= wanted;
    if (isObserved(object) && have >= wanted && isCurrent) return undefined;
    const counted =
      have >= wanted ? `the rollout of ${wanted} is not complete` : `${have} of ${wanted} ${word}`;
    return `${counted}${await whyNoPod(object, api, signal)}`;
  };
}

async function daemonSet(object: unknown, api: KubeApi, signal: AbortSignal): Promise<string | undefined> {
  const wanted = numberAt(object, ['status', 'desiredNumberScheduled'], 0);
  const have = numberAt(object, ['status', 'numberAvailable'], 0);
  const updated = numberAt(object, ['status', 'updatedNumberScheduled'], 0);
  if (!isObserved(object)) return 'its controller has not seen it yet';
  if (have >= wanted && updated >= wanted) return undefined;
  return `${Math.min(have, updated)} of ${wanted} available${await whyNoPod(object, api, signal)}`;
}

async function job(object: unknown, api: KubeApi, signal: AbortSignal): Promise<string | undefined> {
  const isTrue = (type: string): boolean => textAt(condition(object, type), 'status') === 'True';
  if (isTrue('Complete') || at(object, 'spec', 'suspend') === true) return undefined;
  if (isTrue('Failed')) return `it failed${reasonIn(condition(object, 'Failed'))}`;
  const wanted = numberAt(object, ['spec', 'completions'], 1);
  const done = numberAt(object, ['status', 'succeeded'], 0);
  return `${done} of ${wanted} complete${await whyNoPod(object, api, signal)}`;
}

async function pod(object: unknown): Promise<string | undefined> {
  if (textAt(object, 'status', 'phase') === 'Succeeded') return undefined;
  if (textAt(condition(object, 'Ready'), 'status') === 'True') return undefined;
  return `it is not ready${podReason(object)}`;
}

/** Whether the controller's status is of the current spec. */
function isObserved(object: unknown): boolean {
  return (
    numberAt(object, ['status', 'observedGeneration'], 0) >= numberAt(object, ['metadata', 'generation'], 0)
  );
}

/** Why a workload's pods do not run: what the first of them says, or why there is none. */
async function whyNoPod(object: unknown, api: KubeApi, signal: AbortSignal): Promise<string> {
  const labels = at(object, 'spec', 'selector', 'matchLabels') ?? at(object, 'spec', 'selector') ?? {};
  const selector = Object.entries(labels).flatMap(([name, value]) =>
    typeof value === 'string' ? [`${name}=${value}`] : [],
  );
  if (selector.length === 0) return '';
  const namespace = textAt(object, 'metadata', 'namespace');
  const path = `/api/v1/namespaces/${namespace}/pods?limit=20&labelSelector=${encodeURIComponent(selector.join(','))}`;
  const pods = listAt(await api.get(path, signal), 'items').filter((each) => !isRunning(each));
  if (pods.length > 0) return pods.map(podReason).find((reason) => reason !== '') ?? '';
  const [failure, progress] = ['ReplicaFailure', 'Progressing'].map((type) => condition(object, type));
  if (textAt(failure, 'status') === 'True') return reasonIn(failure);
  return textAt(progress, 'status') === 'False' ? reasonIn(progress) : '';
}

function isRunning(object: unknown): boolean {
  return (
    textAt(object, 'status', 'phase') === 'Succeeded' ||
    textAt(condition(object, 'Ready'), 'status') === 'True'
  );
}

/** Every pod has these at its start: they say nothing. */
const usual: ReadonlySet<string> = new Set(['', 'ContainerCreating', 'PodInitializing']);

/** Why a pod does not run, after a colon: empty if there is no reason yet. */
function podReason(object: unknown): string {
  const unscheduled = condition(object, 'PodScheduled');
  if (textAt(unscheduled, 'status') === 'False') return reasonIn(unscheduled);
  const status = at(object, 'status');
  const containers = [...listAt(status, 'initContainerStatuses'), ...listAt(status, 'containerStatuses')];
  for (const container of containers) {
    const waiting = at(container, 'state', 'waiting');
    if (usual.has(textAt(waiting, 'reason'))) continue;
    const exit = at(container, 'lastState', 'terminated', 'exitCode');
    return `${reasonIn(waiting)}${typeof exit === 'number' ? ` (exit code ${exit})` : ''}`;
  }
  if (textAt(status, 'phase') === 'Failed') return `: ${textAt(status, 'reason') || 'its pod failed'}`;
  const isStarted = containers.some((container) => at(container, 'state', 'running') !== undefined);
  return isStarted ? ': its readiness probe does not pass yet' : '';
}

function condition(object: unknown, type: string): unknown {
  return listAt(object, 'status', 'conditions').find((each) => textAt(each, 'type') === type);
}

/** Reason and message of a condition or state, after a colon each. */
function reasonIn(found: unknown): string {
  const parts = [textAt(found, 'reason'), textAt(found, 'message')].filter((part) => part !== '');
  return parts.map((part) => `: ${oneLine(part)}`).join('');
}

function numberAt(object: unknown, path: readonly string[], missing: number): number {
  const found = at(object, ...path);
  return typeof found === 'number' ? found : missing;
}
