import { textAt } from '../../../probes/transport/json.ts';
import { ApiError } from '../api.ts';
import { NotApplicable, type Check } from '../check.ts';
import { createPod, idle, service } from '../objects.ts';
import { podReady } from '../podState.ts';
import { serverAnswers, serverPod } from '../reach.ts';

const name = 'host-network';

/** What this check adds to the check `service`. */
const hint = "if pods reach Services, look at the node's own routes: ip route get ADDRESS";

export const hostNetwork: Check = {
  name,
  summary: "a pod in the node's network reaches a Service",
  needs: ['pod'],
  deadlineMs: 60_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    await createPod(context, name, { command: idle, spec: { hostNetwork: true } }).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.status === 403)) throw error;
      throw new NotApplicable(`this cluster admits no pod in the node's network: ${error.message}`);
    });
    const object = service(name, serverPod.name, serverPod.port, 'ClusterIP');
    const created = await api.create(`${namespacePath}/services`, object, signal);
    await until('the pod', podReady(context, name));
    const address = textAt(created, 'spec', 'clusterIP');
    await until('the cluster IP', serverAnswers(context, address, serverPod.port, { hint, from: name }));
  },
};
