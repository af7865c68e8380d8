import { at, listAt, textAt } from '../../probes/transport/json.ts';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { oneLine } from '../../probes/transport/reason.ts';
import { PermanentFailure, type Context } from './check.ts';

/** The kubelet's reasons after which it does not retry to get an image. */
const permanentReasons = new Set(['ErrImageNeverPull', 'InvalidImageName']);

/** Passes when the pod is Ready. */
export function podReady({ api, namespacePath }: Context, name: string): Probe {
  return async (signal) => {
    const pod = await api.get(`${namespacePath}/pods/${name}`, signal);
    if (!isReady(pod)) throw notReached(pod);
  };
}

/** Passes when the pod has ended successfully. */
export function podSucceeded({ api, namespacePath }: Context, name: string): Probe {
  return async (signal) => {
    const pod = await api.get(`${namespacePath}/pods/${name}`, signal);
    if (textAt(pod, 'status', 'phase') !== 'Succeeded') throw notReached(pod);
  };
}

/**
 * Passes when the log of a pod that has ended is exactly `expected`. A log that is only the start of it is
 * worth another attempt: on a busy machine the kubelet reports the end of a container before the runtime has
 * written its last lines.
 */
export function podWrote(
  { api, namespacePath }: Pick<Context, 'api' | 'namespacePath'>,
  name: string,
  expected: string,
): Probe {
  return async (signal) => {
    const text = await api.text(`${namespacePath}/pods/${name}/log`, signal);
    if (text === expected) return;
    const reason = `is ${JSON.stringify(oneLine(text))}, not ${JSON.stringify(expected)}`;
    throw expected.startsWith(text) ? new Unhealthy(reason) : new PermanentFailure(reason);
  };
}

export function isReady(pod: unknown): boolean {
  return (
    at(condition(pod, 'Ready'), 'status') === 'True' && at(pod, 'metadata', 'deletionTimestamp') === undefined
  );
}

/** The object's condition of this type. */
export function condition(object: unknown, type: string): unknown {
  return listAt(object, 'status', 'conditions').find((each) => at(each, 'type') === type);
}

/** Why a pod has not reached the expected state: the scheduler's reason, its container's, or its phase. */
function notReached(pod: unknown): Error {
  const scheduled = condition(pod, 'PodScheduled');
  if (at(scheduled, 'status') !== 'True') {
    return new Unhealthy(`not scheduled: ${describeObject(scheduled) || 'the scheduler gives no reason'}`);
  }
  const [container] = listAt(pod, 'status', 'containerStatuses');
  const waiting = at(container, 'state', 'waiting');
  if (waiting !== undefined) {
    const reason = `waiting: ${describeObject(waiting) || 'its container has not been started'}`;
    return permanentReasons.has(textAt(waiting, 'reason'))
      ? new PermanentFailure(reason)
      : new Unhealthy(reason);
  }
  const phase = textAt(pod, 'status', 'phase');
  if (phase === 'Failed') {
    const code = Number(at(container, 'state', 'terminated', 'exitCode'));
    return new PermanentFailure(
      Number.isNaN(code) ? `failed: ${describeObject(at(pod, 'status'))}` : `exited with ${code}`,
    );
  }
  const ready = describeObject(condition(pod, 'Ready'));
  return new Unhealthy(`${phase}${ready && `, not ready: ${ready}`}`);
}

/** `Reason: message` of an object that has these fields. */
export function describeObject(object: unknown): string {
  return [textAt(object, 'reason'), textAt(object, 'message')].filter(Boolean).map(oneLine).join(': ');
}
