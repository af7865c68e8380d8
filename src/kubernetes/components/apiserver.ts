import { closeSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { http } from '../../../probes/kinds/http.ts';
import type { Dependency, Service } from '../../engine/component.ts';
import { ensurePrivateFolder, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { adminAccess, etcdMembers, localServer } from '../kubeconfig/clients.ts';
import { nodeProgram } from '../environment.ts';
import type { SecretsEncryption } from '../encryption.ts';
import type { NodeFacts } from '../facts.ts';
import { auditPolicy } from './auditPolicy.ts';
import { cipherSuites, flags } from './flags.ts';
import { isJoinable } from '../join/joinable.ts';
import { pkiPaths, servingChain } from '../pki/paths.ts';

/** kube-apiserver, on every address of the node. Admits only clients with a certificate of the node's CA. */
export function apiserver(
  facts: NodeFacts,
  encryption: SecretsEncryption,
  needs: readonly Dependency[],
): Service {
  const { config, paths, ip } = facts;
  const { network } = config;
  const pki = pkiPaths(paths.pki);
  const members = etcdMembers(facts);
  const [etcd] = members;
  const policyFile = join(paths.apiserver, 'audit-policy.json');
  const auditLog = join(paths.logs, 'audit', 'audit.log');
  const args = flags({
    'advertise-address': ip,
    'allow-privileged': true,
    'anonymous-auth': false,
    // In a folder of its own: it rotates by itself, and at most 100 MB are not compressed.
    'audit-log-compress': true,
    'audit-log-maxage': 30,
    'audit-log-maxbackup': 10,
    'audit-log-maxsize': 100,
    'audit-log-path': auditLog,
    'audit-policy-file': policyFile,
    'authorization-mode': 'Node,RBAC',
    'bind-address': '0.0.0.0',
    'client-ca-file': pki.ca.cert,
    'enable-bootstrap-token-auth': isJoinable(facts),
    'enable-admission-plugins': 'NodeRestriction',
    'etcd-cafile': etcd?.ca,
    'etcd-certfile': etcd?.cert,
    'etcd-keyfile': etcd?.key,
    'etcd-servers': members.map(({ url }) => url).join(','),
    'kubelet-certificate-authority': pki.ca.cert,
    'kubelet-client-certificate': pki.apiserverKubelet.cert,
    'kubelet-client-key': pki.apiserverKubelet.key,
    // Without it, logs and exec resolve the node's name by DNS.
    'kubelet-preferred-address-types': 'InternalIP,Hostname',
    profiling: false,
    'proxy-client-cert-file': pki.frontProxyClient.cert,
    'proxy-client-key-file': pki.frontProxyClient.key,
    'requestheader-allowed-names': 'front-proxy-client',
    'requestheader-client-ca-file': pki.frontProxyCa.cert,
    'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
    'requestheader-group-headers': 'X-Remote-Group',
    'requestheader-username-headers': 'X-Remote-User',
    'secure-port': network.apiserverPort,
    // Tokens of pods are renewed every hour; by default an old one is good for a year, for clients from before 2019.
    'service-account-extend-token-expiration': false,
    'service-account-issuer': `https://kubernetes.default.svc.${network.clusterDomain}`,
    'service-account-key-file': pki.serviceAccount.public,
    'service-account-lookup': true,
    'service-account-signing-key-file': pki.serviceAccount.private,
    'service-cluster-ip-range': network.serviceCidr,
    'tls-cert-file': servingChain(paths.pki),
    'tls-cipher-suites': cipherSuites.join(','),
    'tls-private-key-file': pki.apiserver.key,
  });
  const { ca, cert, key } = adminAccess(facts);
  return {
    kind: 'service',
    name: 'apiserver',
    needs,
    command: async () => {
      for (const folder of [paths.apiserver, dirname(auditLog)]) ensurePrivateFolder(folder);
      writeFileAtomicallySync(policyFile, JSON.stringify(auditPolicy, undefined, 2), { mode: 0o600 });
      // It gives a log the mode of the one before.
      closeSync(openSync(auditLog, 'a', 0o600));
      const keys = flags({ 'encryption-provider-config': encryption.beforeStart() });
      return nodeProgram(facts, 'kube-apiserver', [...args, ...keys]);
    },
    // readyz waits for the start-up hooks; livez is for restarts (both since 1.16).
    ready: http(`${localServer(facts)}/readyz`, { ca, cert, key }),
    // Every later component waits for it. After its 2.7 s the default period (250 ms) would cost 125 ms on
    // average.
    readyTiming: { maxPeriodMs: 50 },
    // An etcd that hangs is restarted itself. A restart of this process would only add to the outage.
    live: http(`${localServer(facts)}/livez?exclude=etcd`, { ca, cert, key }),
    // Its state is in etcd. Once its requests are done it would wait only for watches, which do not end, and
    // for the second that HTTP/2 waits after GOAWAY (goAwayTimeout in golang.org/x/net/http2), even on its
    // connection to itself.
    stop: { graceMs: 300 },
    ports: [network.apiserverPort],
  };
}
