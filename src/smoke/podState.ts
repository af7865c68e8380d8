import { at, listAt, textAt } from '../../probes/transport/json.ts';
import { Unhealthy, type Probe } from '../../probes/probe.ts';
import { oneLine } from '../../probes/transport/reason.ts';
import { PermanentFailure, type Context } from './check.ts';

/** The kubelet's reasons for an image that it will not try to get again. */
const permanentReasons = new Set(['ErrImageNeverPull', 'InvalidImageName']);

/** The pod is Ready. */
export function podReady({ api, home }: Context, name: string): Probe {
  return async (signal) => {
    const pod = await api.get(`${home}/pods/${name}`, signal);
    if (!isReady(pod)) throw why(pod);
  };
}

/** The pod, which ends by itself, has ended well. */
export function podSucceeded({ api, home }: Context, name: string): Probe {
  return async (signal) => {
    const pod = await api.get(`${home}/pods/${name}`, signal);
    if (textAt(pod, 'status', 'phase') !== 'Succeeded') throw why(pod);
  };
}

/**
 * The log of the pod, which has ended, is this and no more. As long as it may still become so it is not complete: on a busy
 * machine the kubelet tells of a container's end before the runtime has written its last lines.
 */
export function podWrote(
  { api, home }: Pick<Context, 'api' | 'home'>,
  name: string,
  expected: string,
): Probe {
  return async (signal) => {
    const text = await api.text(`${home}/pods/${name}/log`, signal);
    if (text === expected) return;
    const reason = `it has read ${JSON.stringify(oneLine(text))}, not ${JSON.stringify(expected)}`;
    throw expected.startsWith(text) ? new Unhealthy(reason) : new PermanentFailure(reason);
  };
}

export function isReady(pod: unknown): boolean {
  return (
    at(condition(pod, 'Ready'), 'status') === 'True' && at(pod, 'metadata', 'deletionTimestamp') === undefined
  );
}

/** The condition of a type, wherever it stands in the list. */
export function condition(object: unknown, type: string): unknown {
  return listAt(object, 'status', 'conditions').find((each) => at(each, 'type') === type);
}

/** Why a pod is not where it should be: the scheduler's word, its container's, or else its phase. */
function why(pod: unknown): Error {
  const scheduled = condition(pod, 'PodScheduled');
  if (at(scheduled, 'status') !== 'True') {
    return new Unhealthy(
      `not scheduled: ${describeObject(scheduled) || 'the scheduler has said nothing about it'}`,
    );
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

/** `Reason: message` of whatever has them. */
export function describeObject(object: unknown): string {
  return [textAt(object, 'reason'), textAt(object, 'message')].filter(Boolean).map(oneLine).join(': ');
}
