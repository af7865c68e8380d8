import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy, type Probe } from '../../../probes/probe.ts';
import type { Check, Context } from '../check.ts';
import { idle, podTemplate } from '../objects.ts';
import { condition, isReady, describeObject } from '../podState.ts';

const name = 'deployment';

export const deployment: Check = {
  name,
  summary: 'a Deployment rolls out, scales, and replaces a deleted pod',
  needs: ['service-account'],
  deadlineMs: 120_000,
  run: async (context) => {
    const { api, namespacePath, namespace, image, signal, until } = context;
    const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    const template = podTemplate(name, image, { command: idle });
    const object = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: { replicas: 1, selector: { matchLabels: template.metadata.labels }, template },
    };
    await api.create(deployments, object, signal);
    await until('rolling out', available(context, `${deployments}/${name}`, 1));

    await api.patch(`${deployments}/${name}/scale`, { spec: { replicas: 2 } }, signal);
    await until('scaling to 2', available(context, `${deployments}/${name}`, 2));

    const [deleted] = await podsOf(context, signal);
    await api.remove(`${namespacePath}/pods/${textAt(deleted, 'metadata', 'name')}`, signal);
    await until('replacing a deleted pod', async (attemptSignal) => {
      const others = (await podsOf(context, attemptSignal)).filter((pod) => uid(pod) !== uid(deleted));
      const ready = others.filter(isReady).length;
      if (ready < 2) throw new Unhealthy(`${ready} of 2 pods are Ready, without the deleted one`);
    });
  },
};

function available({ api }: Context, path: string, replicas: number): Probe {
  return async (signal) => {
    const found = await api.get(path, signal);
    const count = Number(at(found, 'status', 'availableReplicas') ?? 0);
    const isObserved = at(found, 'status', 'observedGeneration') === at(found, 'metadata', 'generation');
    if (isObserved && count === replicas) return;
    const failed = describeObject(condition(found, 'ReplicaFailure'));
    const why = isObserved ? failed : 'the controller has not processed the change yet';
    throw new Unhealthy(`${count} of ${replicas} pods are available${why && `: ${why}`}`);
  };
}

async function podsOf({ api, namespacePath }: Context, signal: AbortSignal): Promise<readonly unknown[]> {
  return listAt(await api.get(`${namespacePath}/pods?labelSelector=app%3D${name}`, signal), 'items');
}

function uid(pod: unknown): string {
  return textAt(pod, 'metadata', 'uid');
}
