import { join } from 'node:path';
import { dns as dnsProbe } from '../../../probes/kinds/dns.ts';
import type { Probe } from '../../../probes/probe.ts';
import { firstAddress, parseDnsServer } from '../../config/schema/addresses.ts';
import type { Command, Component, Dependency } from '../../engine/component.ts';
import { nameServers } from '../../helper/dns/resolvConf.ts';
import { ensurePrivateFolder, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { corefile, corefileVariables } from '../dns/corefile.ts';
import { dnsPort, publishDns, withdrawDns } from '../dns/dnsService.ts';
import { commandWith } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { podRange } from '../join/joinable.ts';
import { kubeconfigPaths } from '../kubeconfig/clients.ts';
import { grantHelper, helperCommand, helperHealthy, removal } from './helper.ts';

/**
 * The cluster's DNS: CoreDNS, or the helper process of ours. Ready when the Service `kube-dns` leads to it and it answers.
 * With `dns: none` a task that removes what an earlier start has made, lest its Service lead nowhere.
 */
export function dns(facts: NodeFacts, needs: readonly Dependency[]): Component {
  const { config, ip } = facts;
  if (facts.dns.kind === 'none') return removal('dns-removal', withdrawDns(facts), needs);
  const { clusterDomain, serviceCidr } = config.network;
  const name = `kubernetes.default.svc.${clusterDomain}`;
  const answers = dnsProbe({ address: ip, port: dnsPort, name, expected: firstAddress(serviceCidr) });
  const publish = publishDns(facts, { yields: config.dns.server === 'auto' });
  const server = facts.dns;
  const grant = server.kind === 'embedded' ? grantHelper(facts) : undefined;
  const isHealthy = server.kind === 'embedded' ? helperHealthy(facts) : undefined;
  let isPublished = false;
  const ready: Probe = async (signal) => {
    // While the process starts, which needs the rights that this gives.
    if (!isPublished) await Promise.all([publish(signal), grant?.(signal)]);
    isPublished = true;
    await answers(signal);
    await isHealthy?.(signal);
  };
  const command = async (): Promise<Command> => {
    isPublished = false;
    return server.kind === 'coredns' ? coreDns(facts, server.program) : helper(facts);
  };
  return {
    kind: 'service',
    name: 'dns',
    needs,
    command,
    ready,
    live: answers,
    // Without DNS a node is still of use.
    restart: { onFailure: 'keepOthers' },
    // It keeps nothing.
    stop: { graceMs: 1000 },
    ports: [dnsPort],
  };
}

/** The helper process, which serves DNS. */
function helper(facts: NodeFacts): Command {
  const { config, ip, resolvConf } = facts;
  const { clusterDomain, dnsIp, serviceCidr, upstreamDns } = config.network;
  return helperCommand(facts, {
    address: ip,
    port: dnsPort,
    domain: clusterDomain,
    serviceIp: dnsIp,
    clusterRanges: [podRange(facts), serviceCidr],
    isShared: config.etcd.endpoints !== undefined,
    discoveryVersion: facts.differences.kubernetes.discovery,
    upstreams: (upstreamDns ?? []).flatMap((text) => parseDnsServer(text) ?? []),
    ...(upstreamDns === undefined && resolvConf !== undefined && { resolvConf }),
  });
}

/** The folder of its configuration, which is written at each start. */
function folderOf({ data }: NodeFacts['paths']): string {
  const folder = join(data, 'dns');
  ensurePrivateFolder(folder);
  return folder;
}

/** CoreDNS with the Corefile of the config, or with ours. */
function coreDns(facts: NodeFacts, program: string): Command {
  const { config, paths, ip, resolvConf } = facts;
  const { dnsIp, upstreamDns } = config.network;
  const kubeconfig = kubeconfigPaths(paths.kubeconfigs).dns;
  const file = config.dns.corefile ?? join(folderOf(paths), 'Corefile');
  if (config.dns.corefile === undefined) {
    const servers = upstreamDns ?? (resolvConf === undefined ? [] : nameServers(resolvConf));
    const others = servers.filter((server) => server !== ip && server !== dnsIp);
    writeFileAtomicallySync(file, corefile(facts, kubeconfig, others));
  }
  const env = { ...facts.env, ...corefileVariables(facts, kubeconfig) };
  return commandWith(env, program, ['-conf', file]);
}
