import { textAt } from '../../../probes/transport/json.ts';
import type { Check } from '../check.ts';
import { service as serviceObject } from '../objects.ts';
import { answers, proxyHint, server } from '../reach.ts';

export const service: Check = {
  name: 'service',
  summary: 'a Service answers at its cluster IP',
  needs: ['pod-ip'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { api, home, signal, until } = context;
    const object = serviceObject('service', server.name, server.port, 'ClusterIP');
    const address = textAt(await api.create(`${home}/services`, object, signal), 'spec', 'clusterIP');
    await until('the cluster IP', answers(context, address, server.port, proxyHint));
  },
};
