import { emptyReply, rcodes } from './message.ts';
import type { Query, Reply, ResourceRecord } from './message.ts';
import type { Upstream } from './upstream.ts';
import type { Zone } from './zone.ts';

/** The names of an ExternalName Service may again be such Services: at most as many, since they may form a circle. */
const maxAliases = 8;

/** Answers questions: names of the cluster from its zone, all others from upstream. */
export class Resolver {
  readonly #zone: Zone;
  readonly #upstream: Upstream;

  constructor(zone: Zone, upstream: Upstream) {
    this.#zone = zone;
    this.#upstream = upstream;
  }

  /** Whether names outside the cluster can be resolved. */
  get recursionAvailable(): boolean {
    return this.#upstream.isAvailable;
  }

  /** The reply to a query. Never rejects. */
  async resolve(query: Query): Promise<Reply> {
    const { opcode, edns, question } = query;
    if (edns !== undefined && edns.version > 0) return emptyReply(rcodes.badVersion);
    if (opcode !== 0) return emptyReply(rcodes.notImplemented);
    // Transfers of the whole zone, and other classes than the internet's.
    if (question.class !== 'IN' || ['AXFR', 'IXFR'].includes(question.type))
      return emptyReply(rcodes.refused);
    return this.#follow(query, []);
  }

  /** `aliases`: the CNAME records that have led here. */
  async #follow(query: Query, aliases: readonly ResourceRecord[]): Promise<Reply> {
    const { question } = query;
    if (!this.#zone.isReady && this.#zone.isInDomain(question.name)) return emptyReply(rcodes.serverFailure);
    const reply = this.#zone.answer(question) ?? (await this.#upstream.resolve(query));
    if (aliases.length > 0 && ![rcodes.noError, rcodes.nameError].includes(reply.rcode)) {
      // The alias itself is known, whatever its target is.
      return { ...emptyReply(rcodes.noError), authoritative: true, answers: aliases };
    }
    const answers = [...aliases, ...reply.answers];
    const [first] = reply.answers;
    const isAlias = reply.authoritative === true && first?.type === 'CNAME' && question.type !== 'CNAME';
    if (!isAlias || answers.length > maxAliases)
      return { ...reply, answers, ...(aliases.length > 0 && { authoritative: true }) };
    return this.#follow({ ...query, question: { ...question, name: first.data } }, answers);
  }
}
