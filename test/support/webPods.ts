import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { busyboxImage } from './busybox.ts';

// Pods with a small web server, and Services in front of them, on several nodes.

type Run = (...args: string[]) => Promise<string>;

/** A pod on this node that serves its own name. */
export function webPod(name: string, nodeName: string, labels: Record<string, string> = {}): object {
  const command = ['sh', '-c', `echo ${name} > index.html; echo serving; exec httpd -f -vv -p 80`];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'web', image: busyboxImage, imagePullPolicy: 'Never', command }],
    },
  };
}

/** A Service in front of the pods with the label `app` of its name. */
export function webService(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  };
}

/** What a Service says to a pod, which resolves its name first. */
export async function fetchFrom(kubectl: Run, from: string, service: string): Promise<string> {
  const name = `${service}.default.svc.cluster.local`;
  const resolved = await kubectl('exec', from, '--', 'busybox', 'nslookup', '-type=a', name);
  const address = /^Address: *(10\.0\.0\.\d+)$/m.exec(resolved.split(/^Name:/m)[1] ?? '')?.[1];
  if (address === undefined) throw new Error(`not resolved: ${resolved}`);
  const fetch = `(printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1) | nc -w 5 ${address} 80`;
  return kubectl('exec', from, '--', 'sh', '-c', fetch);
}

/** Waits until a command succeeds and its output contains the text, or matches it. */
export async function eventually(
  text: string | RegExp,
  command: () => Promise<string>,
  timeoutMs = 60_000,
): Promise<string> {
  let output = '';
  const probe = async (): Promise<void> => {
    output = await command().catch((error: unknown) => {
      throw new Unhealthy(String(error));
    });
    const isThere = typeof text === 'string' ? output.includes(text) : text.test(output);
    if (!isThere) throw new Unhealthy(`no ${text} in: ${output}`);
  };
  const patience = { timeoutMs, attemptTimeoutMs: 15_000, maxPeriodMs: 1000 };
  await until(probe, patience, new AbortController().signal);
  return output;
}
