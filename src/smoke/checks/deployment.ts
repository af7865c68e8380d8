import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy, type Probe } from '../../../probes/probe.ts';
import type { Check, Context } from '../check.ts';
import { idle, podTemplate } from '../objects.ts';
import { condition, isReady, describeObject } from '../podState.ts';

const name = 'deployment';

export const deployment: Check = {
  name,
  summary: 'a Deployment rolls out, scales, and replaces a pod that is killed',
  needs: ['service-account'],
  deadlineMs: 120_000,
  run: async (context) => {
    const { api, home, namespace, image, signal, until } = context;
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

    const [victim] = await podsOf(context, signal);
    await api.remove(`${home}/pods/${textAt(victim, 'metadata', 'name')}`, signal);
    await until('replacing a pod that was killed', async (lookSignal) => {
      const others = (await podsOf(context, lookSignal)).filter((pod) => uid(pod) !== uid(victim));
      const ready = others.filter(isReady).length;
      if (ready < 2) throw new Unhealthy(`${ready} of 2 pods are Ready without it`);
    });
  },
};

function available({ api }: Context, path: string, wanted: number): Probe {
  return async (signal) => {
    const found = await api.get(path, signal);
    const has = Number(at(found, 'status', 'availableReplicas') ?? 0);
    const isSeen = at(found, 'status', 'observedGeneration') === at(found, 'metadata', 'generation');
    if (isSeen && has === wanted) return;
    const failed = describeObject(condition(found, 'ReplicaFailure'));
    const why = isSeen ? failed : 'the controller has not seen it yet';
    throw new Unhealthy(`${has} of ${wanted} pods are available${why && `: ${why}`}`);
  };
}

async function podsOf({ api, home }: Context, signal: AbortSignal): Promise<readonly unknown[]> {
  return listAt(await api.get(`${home}/pods?labelSelector=app%3D${name}`, signal), 'items');
}

function uid(pod: unknown): string {
  return textAt(pod, 'metadata', 'uid');
}
