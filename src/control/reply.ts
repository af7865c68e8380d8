import type { ServerResponse } from 'node:http';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { FailureCode } from '../lib/errors.ts';

/** What a failed request is answered with. */
export interface ErrorBody {
  readonly error: {
    readonly code: FailureCode | 'bug';
    readonly message: string;
    readonly hint?: string | undefined;
  };
}

/** A request that cannot be served, with its HTTP status. */
export class BadRequest extends Failure {
  readonly status: number;

  constructor(status: number, message: string, hint?: string) {
    super('usage', message, hint === undefined ? {} : { hint });
    this.status = status;
  }
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type }).end(text);
}

/** Answers with what went wrong; once the answer has begun, cuts it off. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const status = error instanceof BadRequest ? error.status : error instanceof Failure ? 409 : 500;
  sendJson(response, status, errorBody(error));
}

export function errorBody(error: unknown): ErrorBody {
  const message = reasonOf(error);
  if (!(error instanceof Failure)) return { error: { code: 'bug', message } };
  return { error: { code: error.code, message, hint: error.hint } };
}
