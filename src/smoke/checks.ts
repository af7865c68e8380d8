import type { Check } from './check.ts';
import { configFiles } from './checks/configFiles.ts';
import { deployment } from './checks/deployment.ts';
import { dns } from './checks/dns.ts';
import { exec } from './checks/exec.ts';
import { hostNetwork } from './checks/hostNetwork.ts';
import { job } from './checks/job.ts';
import { loadBalancer } from './checks/loadBalancer.ts';
import { logs } from './checks/logs.ts';
import { namespace } from './checks/namespace.ts';
import { node } from './checks/node.ts';
import { nodePort } from './checks/nodePort.ts';
import { otherUser } from './checks/otherUser.ts';
import { pod } from './checks/pod.ts';
import { podIp } from './checks/podIp.ts';
import { podToApi } from './checks/podToApi.ts';
import { pressure } from './checks/pressure.ts';
import { rbac } from './checks/rbac.ts';
import { service } from './checks/service.ts';
import { serviceAccount } from './checks/serviceAccount.ts';
import { volume } from './checks/volume.ts';
import { webhook } from './checks/webhook.ts';

/** The smoke test. Each check comes after those it needs; independent ones run concurrently. */
export const checks: readonly Check[] = [
  node,
  pressure,
  serviceAccount,
  pod,
  logs,
  exec,
  podIp,
  service,
  nodePort,
  loadBalancer,
  podToApi,
  hostNetwork,
  webhook,
  deployment,
  configFiles,
  otherUser,
  job,
  rbac,
  dns,
  volume,
  namespace,
];
