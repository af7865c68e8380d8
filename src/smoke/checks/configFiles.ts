import type { Check } from '../check.ts';
import { createPod } from '../objects.ts';
import { podSucceeded, podWrote } from '../podState.ts';

const name = 'config-files';

export const configFiles: Check = {
  name,
  summary: 'a ConfigMap and a Secret are mounted as files',
  needs: ['service-account'],
  deadlineMs: 90_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    const object = (kind: string, value: string) => {
      return { apiVersion: 'v1', kind, metadata: { name }, data: { file: value } };
    };
    await api.create(`${namespacePath}/configmaps`, object('ConfigMap', 'from the map'), signal);
    const secret = Buffer.from(' and from the secret').toString('base64');
    await api.create(`${namespacePath}/secrets`, object('Secret', secret), signal);
    await createPod(context, name, {
      command: ['cat', '/map/file', '/secret/file'],
      once: true,
      volumes: { '/map': { configMap: { name } }, '/secret': { secret: { secretName: name } } },
    });
    await until('the pod', podSucceeded(context, name));
    await until('its log', podWrote(context, name, 'from the map and from the secret'));
  },
};
