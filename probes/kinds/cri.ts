import { grpcChannel, type Call } from '../transport/grpcChannel.ts';
import { Unhealthy, type Probe } from '../probe.ts';
import { oneLine } from '../transport/reason.ts';
import { decode, messagesField, numberField, stringField, type Fields } from '../transport/protobuf.ts';
import { GrpcError, UNIMPLEMENTED } from '../transport/unary.ts';

/** Newest first. containerd 1.6 and 1.7 speak both; v1alpha2 alone before, v1 alone since 2.0. */
const versions = ['v1', 'v1alpha2'] as const;

/**
 * The container runtime's CRI says RuntimeReady, and with `network` NetworkReady as well (a CNI configuration is
 * loaded). A runtime's socket alone says nothing: containerd listens before its CRI serves, and without it too.
 */
export function cri(socketPath: string, { network = false }: { readonly network?: boolean } = {}): Probe {
  const ask = statusOf(grpcChannel(socketPath));
  const wanted = network ? ['RuntimeReady', 'NetworkReady'] : ['RuntimeReady'];
  return async (signal) => {
    const conditions = await ask(signal);
    for (const type of wanted) demand(conditions, type);
  };
}

function demand(conditions: readonly Fields[], type: string): void {
  // RuntimeCondition: type = 1, status = 2, reason = 3, message = 4.
  const condition = conditions.find((one) => stringField(one, 1) === type);
  if (!condition) throw new Unhealthy(`the runtime says nothing about ${type}`);
  if (numberField(condition, 2) === 1) return;
  const why = oneLine([stringField(condition, 3), stringField(condition, 4)].filter(Boolean).join(': '));
  throw new Unhealthy(`${type} is false${why && `: ${why}`}`);
}

/** RuntimeService/Status in the version that answered last, or the first that does. */
function statusOf(call: Call): (signal: AbortSignal) => Promise<readonly Fields[]> {
  let known: (typeof versions)[number] = versions[0];
  return async (signal) => {
    let refusal = '';
    for (const version of [known, ...versions.filter((other) => other !== known)]) {
      try {
        // StatusRequest without fields. StatusResponse: status = 1; RuntimeStatus: conditions = 1.
        const answer = await call(`/runtime.${version}.RuntimeService/Status`, Buffer.alloc(0), signal);
        known = version;
        const [status = Buffer.alloc(0)] = messagesField(decode(answer), 1);
        return messagesField(decode(status), 1).map((condition) => decode(condition));
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        if (error.status !== UNIMPLEMENTED)
          throw new Unhealthy(`CRI answers: ${error.message}`, { cause: error });
        refusal ||= error.message;
      }
    }
    throw new Unhealthy(`no CRI on this socket: ${refusal}`);
  };
}
