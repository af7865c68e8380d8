import { Unhealthy } from '../../../probes/probe.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import type { Check } from '../check.ts';
import { serverPod } from '../reach.ts';
import { firstLogLine } from './pod.ts';

export const logs: Check = {
  name: 'logs',
  summary: 'the log of a pod has the output of its container',
  needs: ['pod'],
  deadlineMs: 20_000,
  run: async ({ api, namespacePath, until }) =>
    until('the log', async (signal) => {
      const text = await api.text(`${namespacePath}/pods/${serverPod.name}/log`, signal);
      if (text.includes(firstLogLine)) return;
      throw new Unhealthy(`does not contain "${firstLogLine}": ${oneLine(text) || 'it is empty'}`);
    }),
};
