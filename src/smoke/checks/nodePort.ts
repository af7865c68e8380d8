import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import type { Check } from '../check.ts';
import { service } from '../objects.ts';
import { proxyHint, serverAnswers, serverPod } from '../reach.ts';

export const nodePort: Check = {
  name: 'node-port',
  summary: 'a Service answers at its node port',
  needs: ['pod-ip'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    const object = service('node-port', serverPod.name, serverPod.port, 'NodePort');
    const created = await api.create(`${namespacePath}/services`, object, signal);
    const port = Number(at(listAt(created, 'spec', 'ports')[0], 'nodePort'));
    const host = textAt(await api.get(`${namespacePath}/pods/${serverPod.name}`, signal), 'status', 'hostIP');
    await until('the node port', serverAnswers(context, host, port, { hint: proxyHint }));
  },
};
