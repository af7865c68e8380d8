import type { Check } from '../check.ts';
import { idle, pod } from '../objects.ts';

export const serviceAccount: Check = {
  name: 'service-account',
  summary: 'a new namespace gets its default ServiceAccount, and pods are admitted with it',
  needs: [],
  deadlineMs: 60_000,
  run: async ({ api, home, image, until }) => {
    await until('the default ServiceAccount', async (signal) => {
      await api.get(`${home}/serviceaccounts/default`, signal);
    });
    // Up to 1.20 a pod is refused until the account has a token, too: the API itself knows best.
    await until('a pod to be admitted', async (signal) => {
      await api.create(`${home}/pods?dryRun=All`, pod('service-account', image, { command: idle }), signal);
    });
  },
};
