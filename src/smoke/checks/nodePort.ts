import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import type { Check } from '../check.ts';
import { service } from '../objects.ts';
import { answers, proxyHint, server } from '../reach.ts';

export const nodePort: Check = {
  name: 'node-port',
  summary: "a Service answers at its port of the node's address",
  needs: ['pod-ip'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { api, home, signal, until } = context;
    const object = service('node-port', server.name, server.port, 'NodePort');
    const made = await api.create(`${home}/services`, object, signal);
    const port = Number(at(listAt(made, 'spec', 'ports')[0], 'nodePort'));
    const host = textAt(await api.get(`${home}/pods/${server.name}`, signal), 'status', 'hostIP');
    await until('the node port', answers(context, host, port, proxyHint));
  },
};
