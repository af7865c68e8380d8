import { textAt } from '../../../probes/transport/json.ts';
import type { Check } from '../check.ts';
import { answers, server } from '../reach.ts';

export const podIp: Check = {
  name: 'pod-ip',
  summary: 'a pod reaches another one at its address',
  needs: ['pod', 'exec'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { api, home, signal, until } = context;
    const address = textAt(await api.get(`${home}/pods/${server.name}`, signal), 'status', 'podIP');
    await until("the pod's address", answers(context, address, server.port));
  },
};
