import { existsSync, fstatSync, ftruncateSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { watch } from '../../probes/watch.ts';
import type { Config } from '../config/config.ts';
import { killNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { setNodePriority } from '../host/cgroup/priority.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { forceCleanUp } from '../instance/cleanUp.ts';
import { ephemeralName, ephemeralOptions, ephemeralPaths, launchEphemeral } from '../launcher/ephemeral.ts';
import { followBoot } from '../launcher/followBoot.ts';
import { killedText } from '../launcher/launch.ts';
import { LaunchedNodes } from '../launcher/launchedNodes.ts';
import type { Member } from '../launcher/launchedNodes.ts';
import { exitCodes, Failure, reasonOf } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { formatBytes, formatMs } from '../lib/text/text.ts';
import type { UpOptions } from '../supervisor/options.ts';
import { JsonConnection } from './connection.ts';
import { frozenForMs, FrozenNode } from './frozenNode.ts';
import { startGuard } from './guard.ts';
import { hasRoomForNode, isShort, readMemory } from './memory.ts';
import { poolFingerprint, poolSocket } from './protocol.ts';
import type { NodeEnd, PoolRequest, PoolStatus, TakeAnswer } from './protocol.ts';

/** A node of the pool. */
interface PooledNode {
  readonly member: Member;
  readonly launched: LaunchedNodes;
  readonly frozen: FrozenNode;
  readonly file: NodeFile;
  /** Set while it is not frozen: since when, until when at least, and a promise that settles when it can be used. */
  awake?: { readonly since: number; readonly until: number; readonly usable: Promise<void> };
  /** Set when its supervisor has ended. */
  hasEnded?: boolean;
  /** Set while it is being frozen again. */
  freezing?: Promise<void>;
}

/** How long the next node is kept awake after one was taken, in ms. */
const awakeMs = 10_000;

/** How long a node that was woken needs no other look at it, in ms. */
const newMs = 2000;

/** How long after one was taken the next one is woken, and another one started, in ms, at least: its owner needs the processors then. */
const [wakeNextAfterMs, addAfterMs] = [500, 2000];

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
  /** Those that are being handed out. */
  readonly #waking = new Set<PooledNode>();
  #starting: string | undefined;
  /** Never rejects. */
  #adding: Promise<void> | undefined;
  /** Those that go on for a moment. None rejects. */
  readonly #refreshing = new Map<PooledNode, Promise<void>>();
  readonly #sockets = new Set<Socket>();
  /** Nodes that are being removed. None rejects. */
  readonly #removing = new Set<Promise<void>>();
  /** What is done for each connection. None rejects. */
  readonly #serving = new Set<Promise<void>>();
  #taken = 0;
  #reason: string | undefined;
  #pauseMs = firstPauseMs;
  /** Not before then another node is started, in ms of `performance.now()`. */
  #addAt = 0;
  /** When the next node is woken, in ms of `performance.now()`. */
  #wakeNextAt = Number.POSITIVE_INFINITY;
  /** When the node goes on for a moment that is frozen for longest, in ms of `performance.now()`. */
  #turnAt = 0;

  constructor(size: number, options: UpOptions, config: Config) {
    this.#size = size;
    this.#options = options;
    this.#fingerprint = poolFingerprint(config, options.source);
  }

  /** Runs until it is asked to stop, and resolves when every node is gone. The caller holds the lock of the pool. */
  async run(): Promise<void> {
    using _signals = this.#signals;
    this.#signals.handleWith(() => this.#stop.abort());
    const guard = startGuard('__pool-cleanup');
    const server = createServer((socket) => {
      this.#sockets.add(socket.on('close', () => this.#sockets.delete(socket)));
      const serving = this.#serve(socket)
        .catch((error: unknown) => {
          print(`a request has failed: ${reasonOf(error)}`);
          socket.destroy();
        })
        .finally(() => this.#serving.delete(serving));
      this.#serving.add(serving);
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
      // They are aborted.
      await Promise.all([this.#adding, ...this.#refreshing.values()]);
      await Promise.all([...this.#ready.splice(0), ...this.#waking].map(async (node) => this.#remove(node)));
      const closed = once(server, 'close');
      server.close();
      // Those of nodes in use: their owners remove them.
      for (const socket of this.#sockets) socket.destroy();
      await Promise.all([closed, ...this.#serving, ...this.#removing]);
      guard.dismiss();
    }
  }

  /** Starts a node that is missing, or gives up one when memory is short. */
  async #adjust(): Promise<void> {
    this.#wakeThoseDue();
    const memory = readMemory();
    if (isShort(memory) && this.#ready.length > 0) {
      this.#reason = `memory is short: ${formatBytes(memory.available)} available`;
      await this.#giveUp(this.#ready[0]!, this.#reason);
      return;
    }
    const isComplete = this.#ready.length + this.#waking.size >= this.#size;
    if (isComplete || this.#adding !== undefined || performance.now() < this.#addAt) return;
    if (!hasRoomForNode(memory)) {
      this.#reason = `there is no memory for another node: ${formatBytes(memory.available)} available`;
      return;
    }
    this.#adding = this.#tryToAdd().finally(() => (this.#adding = undefined));
  }

  #wakeThoseDue(): void {
    const now = performance.now();
    if (now >= this.#wakeNextAt) {
      this.#wakeNextAt = Number.POSITIVE_INFINITY;
      this.#turnAt = Math.max(this.#turnAt, now + periodMs);
      const [latest = this.#ready.find(isAwake)] = this.#frozen();
      if (latest !== undefined)
        latest.awake = { ...(latest.awake ?? this.#wake(latest)), until: now + awakeMs };
    }
    // They take turns: whenever one is asked for, one has just been awake, and has little to make up for.
    const hasTurn = now >= this.#turnAt ? this.#frozen().at(-1) : undefined;
    for (const node of this.#ready) {
      if (this.#refreshing.has(node) || !(isDue(node) || node === hasTurn)) continue;
      this.#turnAt = now + frozenForMs / this.#ready.length;
      const refreshing = this.#refresh(node).finally(() => this.#refreshing.delete(node));
      this.#refreshing.set(node, refreshing);
    }
  }

  /** Those that stand still, the one that was awake last first. */
  #frozen(): PooledNode[] {
    return this.#ready
      .filter(({ awake, freezing }) => (awake ?? freezing) === undefined)
      .toSorted((a, b) => a.frozen.frozenMs - b.frozen.frozenMs);
  }

  async #tryToAdd(): Promise<void> {
    try {
      await this.#add();
      this.#reason = undefined;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#reason = reasonOf(error);
      print(
        `a node could not be started: ${this.#reason}; the next attempt is in ${formatMs(this.#pauseMs)}`,
      );
      this.#waitLonger();
    }
  }

  /** The next start would probably come to nothing, too, as would its node. */
  #waitLonger(): void {
    this.#addAt = performance.now() + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
  }

  async #add(): Promise<void> {
    keepLogShort();
    const startedAt = performance.now();
    const name = ephemeralName('pool');
    const launched = new LaunchedNodes();
    this.#starting = name;
    const abort = (): void => void launched[Symbol.asyncDispose]();
    this.#stop.signal.addEventListener('abort', abort);
    try {
      const member = await launchEphemeral(launched, ephemeralOptions(this.#options, name), this.#signals);
      // What it had not begun yet at that moment was not ended.
      this.#stop.signal.throwIfAborted();
      const { spec, supervisor } = member;
      if (poolFingerprint(spec.config, this.#options.source) !== this.#fingerprint)
        throw new Failure(
          'usage',
          'the config has changed since the pool was started: stop it, and start it again',
        );
      await setNodePriority(name, 'low');
      const failed = await followBoot(supervisor, { ...spec, options: { ...spec.options, output: 'plain' } });
      if (failed === undefined || failed.length > 0)
        throw new Failure('notReady', await whyNot(member, failed));
      member.ignoreSignals();
      writeFileSync(nodePaths(name).poolMark, '');
      const file = await readNodeFile(name);
      const frozen = new FrozenNode(spec.config.node, file.ip);
      await frozen.settle(this.#stop.signal);
      await frozen.leaseIsRenewed(this.#stop.signal);
      await frozen.freeze();
      await setNodePriority(name, 'normal');
      this.#stop.signal.throwIfAborted();
      const node: PooledNode = { member, launched, frozen, file };
      this.#ready.push(node);
      const ended = (): void => {
        node.hasEnded = true;
        if (!this.#ready.includes(node)) return;
        this.#waitLonger();
        void this.#giveUp(node, 'it has ended');
      };
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

  #wake(node: PooledNode): NonNullable<PooledNode['awake']> {
    const usable = node.frozen.wake(this.#stop.signal);
    // Whoever takes it hears of it.
    usable.catch(() => undefined);
    const since = performance.now();
    node.awake = { since, until: since, usable };
    return node.awake;
  }

  /** Lets a node go on for a moment, and freezes it again. It can be taken meanwhile. Never rejects. */
  async #refresh(node: PooledNode): Promise<void> {
    try {
      await (node.awake ?? this.#wake(node)).usable;
      await node.frozen.leaseIsRenewed(this.#stop.signal);
      this.#pauseMs = firstPauseMs;
      // Somebody may have taken it, or may want it.
      const { awake } = node;
      if (this.#ready.includes(node) && awake !== undefined && performance.now() >= awake.until)
        await (node.freezing = this.#freezeAgain(node));
    } catch (error) {
      if (!this.#ready.includes(node) || this.#stop.signal.aborted) return;
      this.#waitLonger();
      await this.#giveUp(node, reasonOf(error));
    } finally {
      delete node.freezing;
    }
  }

  async #freezeAgain(node: PooledNode): Promise<void> {
    await node.frozen.freeze();
    delete node.awake;
  }

  /** Takes it out of the list. */
  #forget(node: PooledNode): void {
    const index = this.#ready.indexOf(node);
    if (index !== -1) this.#ready.splice(index, 1);
  }

  /** Removes one that nobody gets any more. Never rejects. */
  async #giveUp(node: PooledNode, reason: string): Promise<void> {
    this.#forget(node);
    print(`${node.member.name} is removed: ${reason}`);
    await this.#remove(node);
  }

  /** Resolves when nothing is left of it, or that cannot be helped. Never rejects. */
  async #remove(node: PooledNode): Promise<void> {
    const removing = remove(node).catch((error: unknown) =>
      print(`${node.member.name} cannot be removed: ${reasonOf(error)}`),
    );
    this.#removing.add(removing);
    await removing;
    this.#removing.delete(removing);
  }

  async #serve(socket: Socket): Promise<void> {
    using connection = new JsonConnection(socket);
    const request = await receive(connection);
    if (request?.type === 'status') connection.send(this.#status());
    if (request?.type === 'take') await this.#handOut(request.fingerprint, connection);
    if (request?.type === 'stop') {
      // As if it were asked by a signal: a start in progress hears of it, too, be it an installation.
      if (!this.#stop.signal.aborted) process.kill(process.pid, 'SIGTERM');
      // The client waits for the lock of the pool.
      connection.send({});
    }
  }

  /** Hands a node out, and waits until its owner does not need it any more. */
  async #handOut(fingerprint: string, connection: JsonConnection): Promise<void> {
    const answer = (value: TakeAnswer): void => connection.send(value);
    if (fingerprint !== this.#fingerprint) return answer({ reason: 'otherConfig' });
    const node = await this.#nextUsable();
    if (node === undefined) return answer({ reason: 'empty' });
    answer({ node: node.file });
    const isTaken = (await receive(connection))?.type === 'taken';
    this.#waking.delete(node);
    // Without an answer, the other side starts a node of its own.
    if (!isTaken || this.#stop.signal.aborted || node.hasEnded === true) return this.#remove(node);
    try {
      await node.member.detach();
      rmSync(nodePaths(node.member.name).poolMark, { force: true });
    } catch (error) {
      return this.#giveUp(node, `it cannot be handed over: ${reasonOf(error)}`);
    }
    connection.send({});
    this.#taken += 1;
    this.#pauseMs = firstPauseMs;
    const now = performance.now();
    this.#addAt = Math.max(this.#addAt, now + addAfterMs);
    // Before it is asked for: whoever has asked once often asks again.
    this.#wakeNextAt = now + wakeNextAfterMs;
    await this.#attend(node, connection);
  }

  /** A node that is usable now. Nobody else gets it from the moment on at which it leaves the list. */
  async #nextUsable(): Promise<PooledNode | undefined> {
    for (let node = this.#next(); node !== undefined; node = this.#next()) {
      this.#waking.add(node);
      try {
        await node.freezing;
        const { since, usable } = node.awake ?? this.#wake(node);
        await usable;
        if (performance.now() - since > newMs) await node.frozen.isUsable(this.#stop.signal);
        return node;
      } catch (error) {
        await this.#giveUp(node, `it did not wake up: ${reasonOf(error)}`);
        this.#waking.delete(node);
      }
    }
    return undefined;
  }

  /** Takes one out of the list: one that is awake, otherwise the one that was awake last. */
  #next(): PooledNode | undefined {
    const freezing = this.#ready.find((each) => each.freezing !== undefined);
    const node = this.#ready.find(isAwake) ?? freezing ?? this.#frozen()[0];
    if (node !== undefined) this.#forget(node);
    return node;
  }

  /** Tells the owner of a node how that ends, and removes it when it is given back or its owner was killed. */
  async #attend(node: PooledNode, connection: JsonConnection): Promise<void> {
    const request = receive(connection);
    const first = await Promise.race([request, endOf(node)]);
    if (first?.type === 'ended') connection.send(first);
    const type = (await request)?.type;
    // At a stop, the connection ends because of this process.
    if (type === 'kept' || (type === undefined && this.#stop.signal.aborted))
      return node.launched[Symbol.asyncDispose]();
    // Both do nothing more if it has just ended.
    if (node.hasEnded !== true)
      await writeFile(nodePaths(node.member.name).poolMark, '').catch(() => undefined);
    connection.send({});
    // To end it takes a while, too, and its owner goes on.
    await setNodePriority(node.member.name, 'low').catch(() => undefined);
    await this.#remove(node);
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

/** Whether it goes on, and nothing is about to freeze it. */
function isAwake({ awake, freezing }: PooledNode): boolean {
  return awake !== undefined && freezing === undefined;
}

/** Whether it has been frozen for long enough, or awake. */
function isDue({ awake, frozen }: PooledNode): boolean {
  return awake === undefined ? frozen.frozenMs >= frozenForMs : performance.now() >= awake.until;
}

/** Resolves when nothing is left of it. */
async function remove({ member, launched, freezing }: PooledNode): Promise<void> {
  // A process that is frozen after it was killed does not end.
  await freezing?.catch(() => undefined);
  await member.supervisor.kill();
  await launched[Symbol.asyncDispose]();
  const { name } = member;
  // The machine may be too busy for what cleans up after it, which gives up after a while.
  if (existsSync(nodePaths(name).run)) await forceCleanUp({ name, ...ephemeralPaths(name) });
}

async function endOf({ member }: PooledNode): Promise<NodeEnd> {
  const code = await member.supervisor.exitCode.catch(() => exitCodes.notReady);
  // At a stop, the log may be closed.
  const log = await member.log().catch(() => '');
  return { type: 'ended', code, output: [log, killedText(member.name, code)].filter(Boolean).join('\n') };
}

async function whyNot(member: Member, failed: readonly string[] | undefined): Promise<string> {
  if (failed !== undefined) return `${failed.join(', ')} failed`;
  const output = await member.log();
  return output.split('\n').at(-1) ?? '';
}

/** The most that the log of the keeper takes, in bytes: it is in memory. A start writes 4 KiB. */
const longestLog = 1024 * 1024;

/** Begins the log anew, to which stdout and stderr are appended. */
function keepLogShort(): void {
  const { stdout } = process;
  const stat = fstatSync(stdout.fd);
  if (stat.isFile() && stat.size > longestLog) ftruncateSync(stdout.fd);
}

function print(line: string): void {
  console.log(line);
}
