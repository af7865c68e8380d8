import { textAt } from '../../../probes/transport/json.ts';
import type { Check } from '../check.ts';
import { serverAnswers, serverPod } from '../reach.ts';

export const podIp: Check = {
  name: 'pod-ip',
  summary: 'a pod reaches another pod at its IP address',
  needs: ['pod', 'exec'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    const address = textAt(
      await api.get(`${namespacePath}/pods/${serverPod.name}`, signal),
      'status',
      'podIP',
    );
    await until("the pod's address", serverAnswers(context, address, serverPod.port));
  },
};
