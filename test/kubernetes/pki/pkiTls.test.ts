import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import type { CertificateFiles, Pki } from '../../../src/kubernetes/pki/paths.ts';
import { madePki } from '../../support/pki.ts';

/** A server that asks for a certificate and tells each client whom it sees, or why it trusts nobody. */
async function serve(pki: Pki, name: 'apiserver' | 'kubeletServer'): Promise<number> {
  const [ca, cert, key] = await Promise.all(
    [pki.ca.cert, pki[name].cert, pki[name].key].map((file) => readFile(file)),
  );
  const options = { ca, cert, key, requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, (socket) => {
    const { subject } = socket.getPeerCertificate();
    socket.end(socket.authorized ? [subject.CN, subject.O].join(' of ') : String(socket.authorizationError));
  });
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** What the server says to the client with the certificate `user`. */
async function ask(
  port: number,
  pki: Pki,
  user?: CertificateFiles,
  servername = '127.0.0.1',
): Promise<string> {
  const ca = await readFile(pki.ca.cert);
  const own = user === undefined ? {} : { cert: await readFile(user.cert), key: await readFile(user.key) };
  const host = servername === '127.0.0.1' ? {} : { servername };
  const socket = connect({ host: '127.0.0.1', port, ca, ...own, ...host });
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(socket, 'close');
  return text;
}

test('server and client know each other, by address and by name', async () => {
  const { pki } = await madePki();
  const port = await serve(pki, 'apiserver');
  await expect(ask(port, pki, pki.kubelet)).resolves.toBe('system:node:node1 of system:nodes');
  await expect(ask(port, pki, pki.admin, 'kubernetes.default.svc')).resolves.toBe('admin of system:masters');
  const kubelet = await serve(pki, 'kubeletServer');
  await expect(ask(kubelet, pki, pki.apiserverKubelet, 'node1')).resolves.toContain(
    'kube-apiserver-kubelet-client',
  );
});

test('a stranger is refused on either side', async () => {
  const { pki } = await madePki();
  const port = await serve(pki, 'apiserver');
  await expect(ask(port, pki)).resolves.toBe('UNABLE_TO_GET_ISSUER_CERT');
  await expect(ask(port, pki, pki.frontProxyClient)).resolves.toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  await expect(ask(port, pki, pki.apiserver)).resolves.toBe('INVALID_PURPOSE');
  await expect(ask(port, pki, pki.admin, 'elsewhere.example')).rejects.toThrow(/not in the cert's altnames/u);
  const other = await madePki();
  await expect(ask(port, pki, other.pki.admin)).resolves.toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  await expect(ask(port, other.pki, other.pki.admin)).rejects.toThrow(/self-signed|unable to verify/u);
});
