import { grpcChannel } from '../transport/grpcChannel.ts';
import { PermanentFailure, Unhealthy, type Probe } from '../probe.ts';
import { oneLine } from '../transport/reason.ts';
import { decode, messagesField, numberField, stringField, type Fields } from '../transport/protobuf.ts';
import { GrpcError, UNIMPLEMENTED } from '../transport/unary.ts';

/** Newest first. containerd 1.6 and 1.7 serve both, earlier versions only v1alpha2, later ones (2.0) only v1. */
const versions = ['v1', 'v1alpha2'] as const;

/**
 * Passes when the container runtime reports RuntimeReady through its CRI; with `network` also NetworkReady (a CNI
 * configuration is loaded). That its socket accepts connections is not enough: containerd listens before its CRI plugin
 * serves, and even without it; then the failure is permanent.
 */
export function cri(socketPath: string, { network = false }: { readonly network?: boolean } = {}): Probe {
  const getConditions = conditionsOf(socketPath);
  const required = network ? ['RuntimeReady', 'NetworkReady'] : ['RuntimeReady'];
  return async (signal) => {
    const conditions = await getConditions(signal);
    for (const type of required) requireTrue(conditions, type);
  };
}

function requireTrue(conditions: readonly Fields[], type: string): void {
  // RuntimeCondition: type = 1, status = 2, reason = 3, message = 4.
  const condition = conditions.find((each) => stringField(each, 1) === type);
  if (!condition) throw new Unhealthy(`the runtime does not report ${type}`);
  if (numberField(condition, 2) === 1) return;
  const why = oneLine([stringField(condition, 3), stringField(condition, 4)].filter(Boolean).join(': '));
  throw new Unhealthy(`${type} is false${why && `: ${why}`}`);
}

/**
 * Passes when the container runtime has all images with these names, as the kubelet knows them: with registry and tag. Passes
 * also when the runtime does not answer, of which nothing follows.
 */
export function criImages(socketPath: string, names: () => Promise<readonly string[]>): Probe {
  // Each image has some hundred bytes.
  const listImages = criCall(socketPath, 'ImageService/ListImages', { maxBytes: 4 * 1024 * 1024 });
  return async (signal) => {
    const wanted = await names();
    if (wanted.length === 0) return;
    const response = await listImages(signal).catch(() => undefined);
    if (response === undefined) return;
    // ListImagesResponse: images = 1; Image: repo_tags = 2.
    const images = messagesField(decode(response), 1).map((image) => decode(image));
    const present = new Set(images.flatMap((image) => messagesField(image, 2).map(String)));
    const missing = wanted.filter((name) => !present.has(name));
    if (missing.length > 0) throw new Unhealthy(`missing: ${missing.join(', ')}`);
  };
}

/** Calls RuntimeService/Status. */
function conditionsOf(socketPath: string): (signal: AbortSignal) => Promise<readonly Fields[]> {
  const call = criCall(socketPath, 'RuntimeService/Status');
  return async (signal) => {
    // StatusResponse: status = 1; RuntimeStatus: conditions = 1.
    const [status = Buffer.alloc(0)] = messagesField(decode(await call(signal)), 1);
    return messagesField(decode(status), 1).map((condition) => decode(condition));
  };
}

/**
 * Calls a method in the version that was served last time, then in the others. Default: with a request without fields. An error of
 * the runtime is the cause of what it rejects with.
 */
export function criCall(
  socketPath: string,
  method: string,
  { request = Buffer.alloc(0), ...options }: { readonly request?: Buffer; readonly maxBytes?: number } = {},
): (signal: AbortSignal) => Promise<Buffer> {
  const call = grpcChannel(socketPath, options);
  let lastServed: (typeof versions)[number] = versions[0];
  return async (signal) => {
    let firstError = '';
    for (const version of [lastServed, ...versions.filter((other) => other !== lastServed)]) {
      try {
        const response = await call(`/runtime.${version}.${method}`, request, signal);
        lastServed = version;
        return response;
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        if (error.status !== UNIMPLEMENTED)
          throw new Unhealthy(`CRI answers: ${error.message}`, { cause: error });
        firstError ||= error.message;
      }
    }
    // A gRPC server registers all its services before it accepts connections.
    throw new PermanentFailure(`no CRI on this socket: ${firstError}`);
  };
}
