import type { Check } from '../check.ts';
import { idle, pod } from '../objects.ts';

export const serviceAccount: Check = {
  name: 'service-account',
  summary: 'a new namespace gets a default ServiceAccount with which pods are admitted',
  needs: ['pressure'],
  deadlineMs: 60_000,
  run: async ({ api, namespacePath, image, until }) => {
    await until('the default ServiceAccount', async (signal) => {
      await api.get(`${namespacePath}/serviceaccounts/default`, signal);
    });
    // Up to 1.20 a pod is refused until the account has a token, so ask the API server itself.
    await until('a pod to be admitted', async (signal) => {
      await api.create(
        `${namespacePath}/pods?dryRun=All`,
        pod('service-account', image, { command: idle }),
        signal,
      );
    });
  },
};
