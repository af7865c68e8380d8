import { listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import { NotApplicable, type Check } from '../check.ts';
import { client } from '../reach.ts';

/** The label that every cluster DNS carries, whatever it is: kubectl cluster-info finds it by that. */
const installed = '/api/v1/namespaces/kube-system/services?labelSelector=k8s-app%3Dkube-dns';

export const dns: Check = {
  name: 'dns',
  summary: 'a pod finds a Service by its name',
  needs: ['exec'],
  deadlineMs: 60_000,
  run: async ({ api, exec, signal, until }) => {
    if (listAt(await api.get(installed, signal), 'items').length === 0) {
      throw new NotApplicable('DNS is not installed: kube-system has no Service labelled k8s-app=kube-dns');
    }
    const path = '/api/v1/namespaces/default/services/kubernetes';
    const address = textAt(await api.get(path, signal), 'spec', 'clusterIP');
    const search = await exec(client, ['cat', '/etc/resolv.conf'], signal);
    // busybox's nslookup does not search: the cluster's domain is what follows `svc.` in the search list.
    const domain = /\ssvc\.(\S+)/.exec(search)?.[1];
    if (domain === undefined)
      throw new Unhealthy(`a pod's resolv.conf names no cluster domain: ${oneLine(search)}`);
    const name = `kubernetes.default.svc.${domain}`;
    await until(name, async (lookSignal) => {
      const said = await exec(client, ['nslookup', '-type=a', name], lookSignal);
      const answer = said.split(/^Name:/m)[1] ?? '';
      if (answer.split(/\s+/).includes(address)) return;
      throw new Unhealthy(
        `does not lead to ${address}: ${oneLine(answer.replaceAll(/\s+/g, ' ')) || 'no answer'}`,
      );
    });
  },
};
