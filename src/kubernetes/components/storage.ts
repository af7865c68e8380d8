import { join } from 'node:path';
import { apiObject } from '../../../probes/kinds/api.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { listAt } from '../../../probes/transport/json.ts';
import { until } from '../../../probes/until.ts';
import type { Component, Dependency } from '../../engine/component.ts';
import { readClass } from '../../helper/storage/objects.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { grantStorage, withdrawStorage } from '../storage/rights.ts';
import { helperCommand } from './helper.ts';

/** Time limit for the removal of an earlier start's class, in ms. */
const timeoutMs = 120_000;

/**
 * Persistent volumes as a process of its own; undefined when the component `dns` runs the helper, which then has both parts.
 * With `storage: none` a task that removes what an earlier start has made, lest claims wait for nobody.
 */
export function storage(facts: NodeFacts, needs: readonly Dependency[]): Component | undefined {
  if (facts.config.storage === 'none') {
    const run = async (signal: AbortSignal, onAttemptFailed: (reason: string) => void): Promise<void> =>
      until(withdrawStorage(facts), { timeoutMs, onAttemptFailed }, signal);
    return { kind: 'task', name: 'storage-removal', needs, timeoutMs, run };
  }
  if (facts.dns.kind === 'embedded') return undefined;
  const grant = grantStorage(facts);
  const hasClass = storageReady(facts);
  let isGranted = false;
  const ready: Probe = async (signal) => {
    if (!isGranted) await grant(signal);
    isGranted = true;
    await hasClass(signal);
  };
  const file = join(facts.paths.data, 'helper', 'storage.json');
  return {
    kind: 'service',
    name: 'storage',
    needs,
    command: async () => helperCommand(facts, file),
    ready,
    // Without it, only new volumes wait.
    restart: { onFailure: 'keepOthers' },
    stop: { graceMs: 1000 },
  };
}

/** Passes when there is a default StorageClass, of the helper or of somebody else. */
export function storageReady(facts: NodeFacts): Probe {
  const get = apiObject(adminAccess(facts), '/apis/storage.k8s.io/v1/storageclasses', 'no storage API');
  return async (signal) => {
    const classes = listAt(await get(signal), 'items').map(readClass);
    // Also when a user has made the own class no default one.
    if (!classes.some(({ name, isDefault }) => isDefault || name === 'k8s-single'))
      throw new Unhealthy('there is no StorageClass yet');
  };
}
