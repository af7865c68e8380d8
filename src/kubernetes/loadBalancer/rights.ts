import { apiObject } from '../../../probes/kinds/api.ts';
import type { Probe } from '../../../probes/probe.ts';
import { listAt } from '../../../probes/transport/json.ts';
import { readService } from '../../helper/cluster/objects.ts';
import { addressChange, holdsAddress } from '../../helper/loadBalancer/loadBalancer.ts';
import { change } from '../components/bootstrapSteps.ts';
import { grantRights, withdrawAll } from '../components/rights.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';

const name = 'k8s-single:load-balancer';

/** What the load balancer does: see src/helper/loadBalancer/loadBalancer.ts. */
const rules = [
  { apiGroups: [''], resources: ['services', 'pods'], verbs: ['list', 'watch'] },
  { apiGroups: [''], resources: ['services/status'], verbs: ['patch'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create'] },
];

/** Gives the helper the rights of the load balancer. */
export function grantLoadBalancer(facts: NodeFacts): Probe {
  return grantRights(facts, name, rules);
}

/** Takes away the addresses that an earlier start has given, lest they hide those of another load balancer, and the rights. */
export function withdrawLoadBalancer(facts: NodeFacts): Probe {
  const access = adminAccess(facts);
  const list = apiObject(access, '/api/v1/services', 'no Services');
  const withdraw = withdrawAll(facts, [], name);
  return async (signal) => {
    const services = listAt(await list(signal), 'items').map(readService);
    for (const service of services.filter(holdsAddress)) {
      const { path, method, type, body } = addressChange(service, []);
      await change(access, path, { method, type, body }, [200, 404])(signal);
    }
    await withdraw(signal);
  };
}
