import { expect, test } from 'vitest';
import { checksumIn } from '../../../src/install/release/checksums.ts';

const [a, b] = ['a'.repeat(64), 'B'.repeat(64)];
const path = 'release/v1.36.4/bin/linux/amd64/kubelet';

test.each([
  ['a bare digest without a newline', a, a],
  ['a bare digest with a newline', `${a}\n`, a],
  ['a list with folders', `${b}  bin/linux/arm64/kubelet\n${a}  bin/linux/amd64/kubelet\n`, a],
  ['a list with ./', `${a}  ./kubelet\n`, a],
  ['a list with * before the name', `${b} *other\n${a} *kubelet\n`, a],
  ['capital letters', `${b}  kubelet\n`, b.toLowerCase()],
  [
    'a clear-signed list',
    `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${a} *kubelet\n-----BEGIN PGP SIGNATURE-----\nxyz\n`,
    a,
  ],
  ['Windows line ends', `${a}  kubelet\r\n`, a],
])('%s is read', (_name, text, hex) => {
  expect(checksumIn(text, path, 'here')).toEqual({ algorithm: 'sha256', hex, from: 'here' });
});

test('128 digits are a SHA-512', () => {
  expect(checksumIn('c'.repeat(128), path, 'here')?.algorithm).toBe('sha512');
});

test.each([
  ['nothing', ''],
  ['a page', '<html><body>not found</body></html>'],
  ['a list without the file', `${a}  kubectl\n${b}  kubelet.exe\n`],
  ['a digest that is too short', 'a'.repeat(40)],
  ['two bare digests', `${a}\n${b}\n`],
  ['the name of another architecture', `${a}  bin/linux/arm64/kubelet`],
])('%s has no checksum', (_name, text) => {
  expect(checksumIn(text, path, 'here')).toBeUndefined();
});
