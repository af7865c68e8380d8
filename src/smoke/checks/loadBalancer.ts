import { listAt, textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { NotApplicable, type Check } from '../check.ts';
import { service } from '../objects.ts';
import { proxyHint, serverAnswers, serverPod } from '../reach.ts';

/** What a node has whose load balancer is on. That of another cluster may cost money, and take minutes. */
const ownRole = '/apis/rbac.authorization.k8s.io/v1/clusterroles/k8s-single%3Aload-balancer';

export const loadBalancer: Check = {
  name: 'load-balancer',
  summary: 'a Service of type LoadBalancer gets an address and answers there',
  needs: ['pod-ip'],
  deadlineMs: 30_000,
  run: async (context) => {
    const { api, namespacePath, signal, until } = context;
    if ((await api.find(ownRole, signal)) === undefined)
      throw new NotApplicable("the load balancer of k8s-single is off, or this is another cluster's");
    const name = 'load-balancer';
    // One that no other Service has, and a second smoke test neither.
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const object = service(name, serverPod.name, port, 'LoadBalancer', serverPod.port);
    await api.create(`${namespacePath}/services`, object, signal);
    let address = '';
    await until('the address', async (attemptSignal) => {
      const current = await api.get(`${namespacePath}/services/${name}`, attemptSignal);
      address = textAt(listAt(current, 'status', 'loadBalancer', 'ingress')[0], 'ip');
      if (address === '') throw new Unhealthy('there is none: the events of the Service have the reason');
    });
    await until('the load balancer', serverAnswers(context, address, port, { hint: proxyHint }));
  },
};
