import { listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { oneLine } from '../../../probes/transport/reason.ts';
import { NotApplicable, type Check } from '../check.ts';
import { clientPod } from '../reach.ts';

/** Every cluster DNS has this label: `kubectl cluster-info` finds it by that. */
const services = '/api/v1/namespaces/kube-system/services?labelSelector=k8s-app%3Dkube-dns';

export const dns: Check = {
  name: 'dns',
  summary: 'a pod resolves the name of a Service',
  needs: ['exec'],
  deadlineMs: 60_000,
  run: async ({ api, exec, signal, until }) => {
    if (listAt(await api.get(services, signal), 'items').length === 0) {
      throw new NotApplicable('DNS is not installed: kube-system has no Service labelled k8s-app=kube-dns');
    }
    const path = '/api/v1/namespaces/default/services/kubernetes';
    const address = textAt(await api.get(path, signal), 'spec', 'clusterIP');
    const resolvConf = await exec(clientPod, ['cat', '/etc/resolv.conf'], signal);
    // busybox's nslookup ignores the search list. The cluster domain is what follows `svc.` there.
    const domain = /\ssvc\.(\S+)/.exec(resolvConf)?.[1];
    if (domain === undefined)
      throw new Unhealthy(`no cluster domain in a pod's resolv.conf: ${oneLine(resolvConf)}`);
    const name = `kubernetes.default.svc.${domain}`;
    await until(name, async (attemptSignal) => {
      const output = await exec(clientPod, ['nslookup', '-type=a', name], attemptSignal);
      const answer = output.split(/^Name:/m)[1] ?? '';
      if (answer.split(/\s+/).includes(address)) return;
      throw new Unhealthy(
        `does not resolve to ${address}: ${oneLine(answer.replaceAll(/\s+/g, ' ')) || 'no answer'}`,
      );
    });
  },
};
