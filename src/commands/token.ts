import { apiObject, apiObjectExists } from '../../probes/kinds/api.ts';
import type { Api } from '../../probes/kinds/api.ts';
import type { Probe } from '../../probes/probe.ts';
import { probeOnce } from '../../probes/probeOnce.ts';
import { listAt, textAt } from '../../probes/transport/json.ts';
import { formatDuration, parseDuration } from '../config/schema/duration.ts';
import { assertRoot } from '../host/root.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { remove } from '../kubernetes/components/bootstrapSteps.ts';
import {
  formatToken,
  isTokenId,
  issueToken,
  longestDescription,
  onlyTokens,
  tokenPath,
} from '../kubernetes/join/token.ts';
import { adminAt } from '../kubernetes/kubeconfig/clients.ts';
import { commandLine, nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { table } from '../lib/text/table.ts';

interface TokenOptions {
  readonly name: string;
}

interface CreateOptions extends TokenOptions {
  readonly ttl: string;
  readonly description?: string;
}

/** `k8s-single token create`: makes a token and prints the command that makes another machine a worker. */
export async function createToken({ name, ttl, description }: CreateOptions): Promise<number> {
  const ttlMs = parseDuration(ttl);
  if ((description?.length ?? 0) > longestDescription)
    throw new Failure('usage', `the description is longer than ${longestDescription} characters`);
  const { api, server, cluster } = await accessOf(name);
  if (cluster !== undefined)
    throw new Failure('usage', `only nodes of this machine reach node ${name}, and they join by its name`, {
      hint: `k8s-single up --name NAME --join ${name}`,
    });
  const expires = ttlMs === 0 ? undefined : new Date(Date.now() + ttlMs);
  const issue = async (signal: AbortSignal) => issueToken(api, { expires, description }, signal);
  const token = await request(name, issue);
  console.error(
    ttlMs === 0 ? 'run it on each new worker:' : `for ${formatDuration(ttlMs)}, run it on each new worker:`,
  );
  console.log(commandLine(['k8s-single', 'up', '--host', '--join', server, '--token', formatToken(token)]));
  return exitCodes.ok;
}

/** `k8s-single token ls`: prints the ID of each token, how long it is valid, and its description; never its secret. */
export async function listTokens({ name }: TokenOptions): Promise<number> {
  const { api } = await accessOf(name);
  const now = Date.now();
  const list = apiObject(api, onlyTokens, 'no Secrets');
  const rows: string[][] = [];
  await request(name, async (signal) => {
    const tokens = listAt(await list(signal), 'items').map((secret) => readToken(secret, now));
    rows.push(...tokens);
  });
  for (const line of table(rows)) console.log(line);
  return exitCodes.ok;
}

/** `k8s-single token rm ID...`: nobody joins with these tokens any more; who has joined stays. */
export async function removeTokens(ids: readonly string[], { name }: TokenOptions): Promise<number> {
  const unknown = ids.find((id) => !isTokenId(id));
  if (unknown !== undefined)
    throw new Failure('usage', `${unknown} is not the ID of a token: expected 6 letters and digits`, {
      hint: `see ${nodeCommand('token ls', { name })}`,
    });
  const { api } = await accessOf(name);
  for (const id of ids) {
    await request(name, apiObjectExists(api, tokenPath(id), `there is no token ${id}`));
    await request(name, remove(api, tokenPath(id)));
    console.log(id);
  }
  return exitCodes.ok;
}

/** The cells of a row. */
function readToken(secret: unknown, now: number): string[] {
  const decode = (key: string): string => Buffer.from(textAt(secret, 'data', key), 'base64').toString('utf8');
  const expiration = decode('expiration');
  const left = Math.ceil((Date.parse(expiration) - now) / 1000) * 1000;
  const validity = expiration === '' ? 'for ever' : left > 0 ? `for ${formatDuration(left)}` : 'expired';
  return [decode('token-id'), validity, decode('description')];
}

/** In ms. */
const timeoutMs = 10_000;

/** @throws Failure `notReady` with the reason of the API server */
async function request<Answer>(
  name: string,
  send: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  let answer: Answer;
  const probe: Probe = async (signal) => void (answer = await send(signal));
  await probeOnce(probe, timeoutMs, new AbortController().signal).catch((cause: unknown) => {
    throw new Failure('notReady', `the API server of node ${name}: ${reasonOf(cause)}`, {
      hint: `see what is wrong: ${nodeCommand('status', { name })}`,
      cause,
    });
  });
  return answer!;
}

/** @throws Failure `usage` for a node whose cluster no other machine can join */
async function accessOf(
  name: string,
): Promise<{ readonly api: Api; readonly server: string; readonly cluster?: string | undefined }> {
  assertRoot();
  const { joinAt: server, dataDir, worker, cluster } = await readNodeFile(name);
  if (worker !== undefined)
    throw new Failure('usage', `node ${name} is a worker of ${worker.server}`, {
      hint: 'make tokens on the machine of its control plane',
    });
  if (server === undefined)
    throw new Failure('usage', `no other machine can join the cluster of node ${name}`, {
      hint: 'start it directly on the machine, with up --host, or in a container, and with an etcd of its own',
    });
  return { api: adminAt(server, nodePaths(name, dataDir)), server, cluster };
}
