/** The Service of a cluster DNS whose endpoint is a server on the host. */
export function clusterDns(host: string, port: number): object[] {
  const metadata = { name: 'kube-dns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } };
  const dnsPort = { name: 'dns', protocol: 'UDP', port: 53 };
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: '10.0.0.10', ports: [dnsPort] } },
    {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata,
      subsets: [{ addresses: [{ ip: host }], ports: [{ ...dnsPort, port }] }],
    },
  ];
}

/** A default StorageClass with one volume: a folder of the host. */
export function storage(path: string): object[] {
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  return [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'smoke', annotations },
      provisioner: 'kubernetes.io/no-provisioner',
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'smoke' },
      spec: {
        storageClassName: 'smoke',
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        hostPath: { path, type: 'DirectoryOrCreate' },
      },
    },
  ];
}
