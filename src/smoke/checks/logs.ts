import { Unhealthy } from '../../../probes/probe.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import type { Check } from '../check.ts';
import { server } from '../reach.ts';
import { firstWords } from './pod.ts';

export const logs: Check = {
  name: 'logs',
  summary: 'what a container writes is in its log',
  needs: ['pod'],
  deadlineMs: 20_000,
  run: async ({ api, home, until }) =>
    until('the log', async (signal) => {
      const text = await api.text(`${home}/pods/${server.name}/log`, signal);
      if (text.includes(firstWords)) return;
      throw new Unhealthy(`no "${firstWords}" in it: ${oneLine(text) || 'it is empty'}`);
    }),
};
