import { textAt } from '../../../probes/transport/json.ts';
import type { Check } from '../check.ts';
import { service as serviceObject } from '../objects.ts';
import { proxyHint, serverAnswers, serverPod } from '../reach.ts';

export const service: Check = {
  name: 'service',
  summary: 'a Service answers at its cluster IP',
  needs: ['pod-ip'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    const object = serviceObject('service', serverPod.name, serverPod.port, 'ClusterIP');
    const address = textAt(
      await api.create(`${namespacePath}/services`, object, signal),
      'spec',
      'clusterIP',
    );
    await until('the cluster IP', serverAnswers(context, address, serverPod.port, { hint: proxyHint }));
  },
};
