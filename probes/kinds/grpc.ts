import { grpcChannel } from '../transport/grpcChannel.ts';
import { Unhealthy, type Probe } from '../probe.ts';
import { decode, encodeField, numberField } from '../transport/protobuf.ts';
import { GrpcError, UNIMPLEMENTED } from '../transport/unary.ts';

/** HealthCheckResponse.ServingStatus of grpc.health.v1. */
const statuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;

/**
 * Passes when the gRPC health service (grpc.health.v1, as in the kubelet's gRPC probes) reports SERVING. `target`: see
 * {@link grpcChannel}. An empty `service` means the server as a whole.
 */
export function grpcHealth(target: string, service = ''): Probe {
  const call = grpcChannel(target);
  const request = encodeField(1, service);
  return async (signal) => {
    const response = await call('/grpc.health.v1.Health/Check', request, signal).catch((error: unknown) => {
      throw error instanceof GrpcError ? new Unhealthy(refused(error, target), { cause: error }) : error;
    });
    const status = numberField(decode(response), 1);
    if (status !== SERVING) throw new Unhealthy(`${service || target} says ${statuses[status] ?? status}`);
  };
}

function refused(error: GrpcError, target: string): string {
  if (error.status === UNIMPLEMENTED) return `${target} does not offer grpc.health.v1: ${error.message}`;
  return `${target} answers: ${error.message}`;
}
