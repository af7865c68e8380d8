import type { Check } from '../check.ts';
import { createPod } from '../objects.ts';
import { podSucceeded, podWrote } from '../podState.ts';

const name = 'other-user';

/** The log of a pod that can do everything. */
const expected = 'written by another user\n';

/** Ends successfully in any case, so that its log has the reason. */
const script =
  'cat /etc/hosts /etc/resolv.conf /var/run/secrets/kubernetes.io/serviceaccount/token > /dev/null &&' +
  ' cat /map/file > /dir/file && cat /dir/file';

export const otherUser: Check = {
  name,
  summary: 'a pod that runs as another user reads its files and writes to its emptyDir',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { file: expected } };
    await api.create(`${namespacePath}/configmaps`, map, signal);
    await createPod(context, name, {
      command: ['sh', '-c', `{ ${script}; } 2>&1; true`],
      once: true,
      volumes: { '/map': { configMap: { name } }, '/dir': { emptyDir: {} } },
      spec: { securityContext: { runAsUser: 1000, runAsGroup: 1000 } },
    });
    await until('the pod', podSucceeded(context, name));
    await until('its log', podWrote(context, name, expected));
  },
};
