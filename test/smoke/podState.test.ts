import { expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { apiOf } from '../../src/smoke/api.ts';
import { PermanentFailure } from '../../src/smoke/check.ts';
import { podWrote } from '../../src/smoke/podState.ts';
import { serve } from '../fixtures/probes/servers.ts';

it.for([
  { log: 'all of it', error: undefined, because: 'it is complete' },
  { log: 'all of it\n', error: PermanentFailure, because: 'it has one byte more' },
  { log: '', error: Unhealthy, because: 'the runtime may not have written it yet' },
  { log: 'all', error: Unhealthy, because: 'the rest may follow' },
  { log: 'none of it', error: PermanentFailure, because: 'more output does not change that' },
  { log: 'all of it and more', error: PermanentFailure, because: 'more output does not change that' },
])('judges a log of "$log": $because', async ({ log, error }) => {
  const { url } = await serve((_, response) => response.end(log));
  const api = apiOf({ server: url, insecure: false });
  const attempt = podWrote({ api, namespacePath: '/api/v1/namespaces/test' }, 'reader', 'all of it');
  const outcome = await attempt(new AbortController().signal).catch((thrown: unknown) => thrown);
  if (error === undefined) expect(outcome).toBeUndefined();
  else expect(outcome).toBeInstanceOf(error);
});
