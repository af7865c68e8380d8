import { join } from 'node:path';

/** A certificate and its private key, each in a PEM file of its own. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** The base names of the files: kubeadm's where kubeadm has one in this folder, else the component's. */
const fileNames = {
  ca: 'ca',
  frontProxyCa: 'front-proxy-ca',
  etcdCa: 'etcd-ca',
  apiserver: 'apiserver',
  kubeletServer: 'kubelet-server',
  controlLoop: 'control-loop',
  apiserverKubelet: 'apiserver-kubelet-client',
  frontProxyClient: 'front-proxy-client',
  admin: 'admin',
  kubelet: 'kubelet',
  controllerManager: 'kube-controller-manager',
  scheduler: 'kube-scheduler',
  proxy: 'kube-proxy',
  dns: 'coredns',
  helper: 'helper',
  etcd: 'etcd',
  apiserverEtcd: 'apiserver-etcd-client',
} as const;

/** What each certificate is for; the keys of {@link Pki}. */
export type CertificateName = keyof typeof fileNames;

/** Where the certificates and keys of one node lie. */
export type Pki = Readonly<Record<CertificateName, CertificateFiles>> & {
  /** The key pair that signs and checks service account tokens. */
  readonly serviceAccount: { readonly public: string; readonly private: string };
};

/** The files that `ensurePki` makes in `dir`. Computed; the disk is not touched. */
export function pkiPaths(dir: string): Pki {
  const files = (name: CertificateName): CertificateFiles => ({
    cert: join(dir, `${fileNames[name]}.crt`),
    key: join(dir, `${fileNames[name]}.key`),
  });
  return {
    ca: files('ca'),
    frontProxyCa: files('frontProxyCa'),
    etcdCa: files('etcdCa'),
    apiserver: files('apiserver'),
    kubeletServer: files('kubeletServer'),
    controlLoop: files('controlLoop'),
    apiserverKubelet: files('apiserverKubelet'),
    frontProxyClient: files('frontProxyClient'),
    admin: files('admin'),
    kubelet: files('kubelet'),
    controllerManager: files('controllerManager'),
    scheduler: files('scheduler'),
    proxy: files('proxy'),
    dns: files('dns'),
    helper: files('helper'),
    etcd: files('etcd'),
    apiserverEtcd: files('apiserverEtcd'),
    serviceAccount: { public: join(dir, 'sa.pub'), private: join(dir, 'sa.key') },
  };
}

/** The certificate of the CA that signs the requests of the cluster, alone, as kube-controller-manager wants it. */
export function signingCertificate(dir: string): string {
  return join(dir, 'cluster-signing.crt');
}

/** The API server's certificate, and its CA after it: with the CA's pin alone, a machine that joins can verify it. */
export function servingChain(dir: string): string {
  return join(dir, 'apiserver-chain.crt');
}
