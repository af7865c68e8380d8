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
