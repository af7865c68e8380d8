import { expect, test } from 'vitest';
import { maskCommand, masker } from '../../src/config/secrets.ts';

const shown = (...args: string[]): readonly string[] => maskCommand({ file: 'x', args }, masker([])).args;

test.each(['--db-password=hunter2', '--token=abcdef', '--authorization=Bearer'])('%s is masked', (flag) => {
  expect(shown(flag)).toEqual([`${flag.split('=')[0]}=***`]);
});

test.each([
  '--authorization-mode=Node,RBAC',
  '--authorization-kubeconfig=/pki/admin.conf',
  '--tls-private-key-file=/pki/apiserver.key',
])('%s is not masked', (flag) => {
  expect(shown(flag)).toEqual([flag]);
});
