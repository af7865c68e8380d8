import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { watch } from '../../probes/watch.ts';
import type { Config } from '../config/config.ts';
import { killNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { setNodePriority } from '../host/cgroup/priority.ts';
import { ephemeralName, ephemeralOptions, launchEphemeral } from '../launcher/ephemeral.ts';
import { followBoot } from '../launcher/followBoot.ts';
import { LaunchedNodes } from '../launcher/launchedNodes.ts';
import type { Member } from '../launcher/launchedNodes.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { formatBytes, formatMs } from '../lib/text/text.ts';
import type { UpOptions } from '../supervisor/options.ts';
import { JsonConnection } from './connection.ts';
import { freeze, isUsable, settle, wake } from './frozenNode.ts';
import { startGuard } from './guard.ts';
import { availableMemory, hasRoomForNode, isShort } from './memory.ts';
import { poolFingerprint, poolMark, poolSocket } from './protocol.ts';
import type { PoolRequest, PoolStatus, TakeAnswer } from './protocol.ts';

/** A node of the pool. */
interface PooledNode {
  readonly member: Member;
  readonly launched: LaunchedNodes;
  /** Set while it is not frozen: settles when it can be used. */
  awake?: { readonly since: number; readonly usable: Promise<void> };
}

/** How long the next node is kept awake after one was taken, in ms: whoever has asked once often asks again. */
const awakeMs = 10_000;

/** How often the keeper looks whether a node is missing or one too many, in ms. */
const periodMs = 1000;

/** Pauses after a start that has failed: from, up to, in ms. */
const [firstPauseMs, longestPauseMs] = [5000, 300_000];

/**
 * Keeps nodes ready for whoever asks: starts them one after the other at low priority, freezes them, and hands each out once. Nodes
 * end with it, however it ends, except those that were taken.
 */
export class PoolKeeper {
  readonly #size: number;
  readonly #options: UpOptions;
  readonly #fingerprint: string;
  readonly #signals = new Signals();
  readonly #stop = new AbortController();
  readonly #ready: PooledNode[] = [];
  /** Those that are being handed out, or frozen again. */
  readonly #waking = new Set<PooledNode>();
  #starting: string | undefined;
  /** Never rejects. */
  #adding: Promise<void> | undefined;
  readonly #sockets = new Set<Socket>();
  #taken = 0;
  #reason: string | undefined;
  #pauseMs = firstPauseMs;
  #retryAt = 0;

  constructor(size: number, options: UpOptions, config: Config) {
    this.#size = size;
    this.#options = options;
    this.#fingerprint = poolFingerprint(config);
  }

  /** Runs until it is asked to stop, and resolves when every node is gone. The caller holds the lock of the pool. */
  async run(): Promise<void> {
    using _signals = this.#signals;
    this.#signals.handleWith(() => this.#stop.abort());
    const guard = startGuard('pool', 'stop');
    const server = createServer((socket) => {
      this.#sockets.add(socket.on('close', () => this.#sockets.delete(socket)));
      this.#serve(socket).catch((error: unknown) => {
        print(`a request has failed: ${reasonOf(error)}`);
        socket.destroy();
      });
    });
    rmSync(poolSocket, { force: true });
    server.listen(poolSocket);
    await once(server, 'listening');
    try {
      // A probe that does its work instead; when that fails, it is tried again.
      const forEver = { periodMs, attemptTimeoutMs: Infinity, failureThreshold: Infinity };
      await watch(async () => this.#adjust(), forEver, this.#stop.signal);
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    } finally {
      // It is aborted.
      await this.#adding;
      await Promise.all([...this.#ready.splice(0), ...this.#waking].map(remove));
      const closed = once(server, 'close');
      server.close();
      // Those of nodes in use: their owners remove them.
      for (const socket of this.#sockets) socket.destroy();
      await closed;
      guard.dismiss();
    }
  }

  /** Starts a node that is missing, or gives up one when memory is short. */
  async #adjust(): Promise<void> {
    if (isShort() && this.#ready.length > 0) {
      this.#reason = `memory is short: ${formatBytes(availableMemory())} available`;
      const node = this.#ready.pop()!;
      await remove(node);
      print(`${node.member.name} is removed: ${this.#reason}`);
      return;
    }
    await this.#freezeAgain();
    const isComplete = this.#ready.length + this.#waking.size >= this.#size;
    if (isComplete || this.#adding !== undefined || performance.now() < this.#retryAt) return;
    if (!hasRoomForNode()) {
      this.#reason = `there is no memory for another node: ${formatBytes(availableMemory())} available`;
      return;
    }
    this.#adding = this.#tryToAdd().finally(() => (this.#adding = undefined));
  }

  async #tryToAdd(): Promise<void> {
    try {
      await this.#add();
      [this.#reason, this.#pauseMs] = [undefined, firstPauseMs];
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#reason = reasonOf(error);
      this.#retryAt = performance.now() + this.#pauseMs;
      print(
        `a node could not be started: ${this.#reason}; the next attempt is in ${formatMs(this.#pauseMs)}`,
      );
      this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
    }
  }

  async #add(): Promise<void> {
    const startedAt = performance.now();
    const name = ephemeralName('pool');
    const launched = new LaunchedNodes();
    this.#starting = name;
    const abort = (): void => void launched[Symbol.asyncDispose]();
    this.#stop.signal.addEventListener('abort', abort);
    try {
      const member = await launchEphemeral(launched, ephemeralOptions(this.#options, name), this.#signals);
      const { spec, supervisor } = member;
      if (poolFingerprint(spec.config) !== this.#fingerprint)
        throw new Failure(
          'usage',
          'the config has changed since the pool was started: stop it, and start it again',
        );
      await setNodePriority(name, 'low');
      const failed = await followBoot(supervisor, { ...spec, options: { ...spec.options, output: 'plain' } });
      if (failed === undefined || failed.length > 0)
        throw new Failure('notReady', await whyNot(member, failed));
      member.ignoreSignals();
      writeFileSync(markOf(name), '');
      await settle(spec.config.node, this.#stop.signal);
      await freeze(name);
      await setNodePriority(name, 'normal');
      this.#stop.signal.throwIfAborted();
      this.#ready.push({ member, launched });
      const ended = (): void => this.#forget(member);
      supervisor.exitCode.then(ended, ended);
      print(`${name} is ready and frozen after ${formatMs(performance.now() - startedAt)}`);
    } catch (error) {
      await killNodeCgroup(name);
      await launched[Symbol.asyncDispose]();
      throw error;
    } finally {
      this.#stop.signal.removeEventListener('abort', abort);
      this.#starting = undefined;
    }
  }

  /** Wakes the next node before it is asked for: that takes some tenths of a second, the more the longer it was frozen. */
  #wakeNext(): void {
    const [next] = this.#ready;
    if (next === undefined || next.awake !== undefined) return;
    const usable = wake(next.member.spec.config.node, this.#stop.signal);
    // Whoever takes it hears of it.
    usable.catch(() => undefined);
    next.awake = { since: performance.now(), usable };
  }

  async #freezeAgain(): Promise<void> {
    const node = this.#ready.find(({ awake }) => performance.now() - (awake?.since ?? Infinity) > awakeMs);
    if (node === undefined) return;
    // Nobody takes it meanwhile.
    this.#forget(node.member);
    this.#waking.add(node);
    try {
      await node.awake?.usable;
      await freeze(node.member.name);
      delete node.awake;
      this.#ready.unshift(node);
    } catch (error) {
      print(`${node.member.name} is removed: ${reasonOf(error)}`);
      await remove(node);
    } finally {
      this.#waking.delete(node);
    }
  }

  /** One that has ended although nobody asked it to. */
  #forget(member: Member): void {
    const index = this.#ready.findIndex((each) => each.member === member);
    if (index !== -1) this.#ready.splice(index, 1);
  }

  async #serve(socket: Socket): Promise<void> {
    using connection = new JsonConnection(socket);
    const request = await receive(connection);
    if (request?.type === 'status') connection.send(this.#status());
    if (request?.type === 'take') await this.#handOut(request.fingerprint, connection);
    if (request?.type === 'stop') {
      this.#stop.abort();
      // The client waits for the lock of the pool.
      connection.send({});
    }
  }

  /** Nobody else gets the node from the moment on at which it leaves the list. */
  async #handOut(fingerprint: string, connection: JsonConnection): Promise<void> {
    const answer = (value: TakeAnswer): void => connection.send(value);
    if (fingerprint !== this.#fingerprint) return answer({ reason: 'otherConfig' });
    for (let node = this.#ready.shift(); node !== undefined; node = this.#ready.shift()) {
      const { name, spec } = node.member;
      this.#waking.add(node);
      try {
        const config = spec.config.node;
        if (node.awake === undefined) await wake(config, this.#stop.signal);
        else await node.awake.usable.then(async () => isUsable(config, this.#stop.signal));
        answer({ name });
        if ((await receive(connection))?.type !== 'taken') return await remove(node);
        await node.member.detach();
        rmSync(markOf(name), { force: true });
        await node.launched[Symbol.asyncDispose]();
      } catch (error) {
        print(`${name} is removed: it did not wake up: ${reasonOf(error)}`);
        await remove(node);
        continue;
      } finally {
        this.#waking.delete(node);
      }
      connection.send({});
      this.#taken += 1;
      this.#wakeNext();
      return this.#takeBack(node, connection);
    }
    answer({ reason: 'empty' });
  }

  /** Removes a node that its owner gives back, or whose owner was killed. */
  async #takeBack(node: PooledNode, connection: JsonConnection): Promise<void> {
    const request = await receive(connection);
    // At a stop, the connection ends because of this process.
    if (request?.type === 'kept' || (request === undefined && this.#stop.signal.aborted)) return;
    const { run } = nodePaths(node.member.name);
    if (existsSync(run)) writeFileSync(markOf(node.member.name), '');
    connection.send({});
    await remove(node);
  }

  #status(): PoolStatus {
    return {
      size: this.#size,
      ready: this.#ready.map(({ member }) => member.name),
      starting: this.#starting ?? null,
      taken: this.#taken,
      reason: this.#reason ?? null,
    };
  }
}

async function receive(connection: JsonConnection): Promise<PoolRequest | undefined> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it
  return (await connection.receive()) as PoolRequest | undefined;
}

/** The file that says that a node ends with the keeper. */
function markOf(name: string): string {
  return join(nodePaths(name).run, poolMark);
}

/** Resolves when nothing is left of it. */
async function remove({ member, launched }: PooledNode): Promise<void> {
  await member.supervisor.kill();
  await launched[Symbol.asyncDispose]();
}

async function whyNot(member: Member, failed: readonly string[] | undefined): Promise<string> {
  if (failed !== undefined) return `${failed.join(', ')} failed`;
  const output = await member.log();
  return output.split('\n').at(-1) ?? '';
}

function print(line: string): void {
  console.log(line);
}
