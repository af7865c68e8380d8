import { errorCode } from '../errorCode.ts';
import { Unhealthy } from '../probe.ts';

/** The certificates of a connection, to be named in a reason. */
export interface Trust {
  /** PEM file of the CA that must have signed the server's certificate. */
  readonly ca?: string;
  /** PEM file of the client's own certificate. */
  readonly cert?: string;
}

/** Why there was no response from `where` (host:port, or the path of a socket), for people. Keeps the error as `cause`. */
export function cannotReach(error: unknown, where: string, trust: Trust = {}): Unhealthy {
  if (error instanceof Unhealthy) return error;
  const code = errorCode(error) ?? '';
  const reason = socketReason(code, where) ?? tlsReason(error, code, where, trust);
  return new Unhealthy(reason ?? `${where}: ${messageOf(error)}`, { cause: error });
}

function socketReason(code: string, where: string): string | undefined {
  const isPath = where.startsWith('/');
  switch (code) {
    case 'ECONNREFUSED':
      return isPath ? `nothing listens on ${where}` : `connection refused on ${where}`;
    case 'ENOENT':
      return `there is no socket ${where}`;
    case 'EACCES':
    case 'EPERM':
      return `no permission to connect to ${where}`;
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return `${where} closed the connection without an answer`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name in ${where} does not resolve`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `no route to ${where}`;
    case 'ETIMEDOUT':
      return `no connection to ${where}: it does not answer`;
    default:
      return undefined;
  }
}

function tlsReason(error: unknown, code: string, where: string, { ca, cert }: Trust): string | undefined {
  switch (code) {
    // OpenSSL's names for "no chain to a trusted CA".
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return `the certificate of ${where} is not signed by ${ca ?? 'a CA this machine trusts'}`;
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${where} has expired`;
    case 'CERT_NOT_YET_VALID':
      return `the certificate of ${where} is not valid yet: is the clock right?`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${where} is for another name: ${messageOf(error)}`;
    default:
  }
  const alert = /SSL alert number (?<number>\d+)/.exec(messageOf(error))?.groups?.['number'];
  if (alert !== undefined) return alertReason(Number(alert), where, cert);
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) return `${where} does not speak TLS`;
  if (code.startsWith('HPE_')) return `${where} does not speak HTTP`;
  return undefined;
}

/** The server aborted the handshake with this alert: RFC 8446, section 6.2. */
function alertReason(alert: number, where: string, cert: string | undefined): string {
  const aboutCertificate = [42, 43, 44, 45, 46, 48, 49].includes(alert);
  if (aboutCertificate && cert) return `${where} refuses the client certificate ${cert}`;
  if (aboutCertificate || alert === 116) return `${where} demands a client certificate`;
  const perhaps = alert === 40 && !cert ? ': is a client certificate missing?' : '';
  return `${where} refuses the TLS handshake (alert ${alert})${perhaps}`;
}

/** The first line of untrusted text, at most 300 characters, without control characters, which could control the terminal. */
export function oneLine(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line
    .slice(0, 300)
    .replaceAll(/\p{Cc}/gu, ' ')
    .trim();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
