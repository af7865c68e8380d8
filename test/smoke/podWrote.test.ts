import { expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { apiOf } from '../../src/smoke/api.ts';
import { PermanentFailure } from '../../src/smoke/check.ts';
import { podWrote } from '../../src/smoke/podState.ts';
import { serve } from '../fixtures/probes/servers.ts';

it.for([
  { log: 'all of it', says: undefined, because: 'it is whole' },
  { log: 'all of it\n', says: PermanentFailure, because: 'not a byte more was asked for' },
  { log: '', says: Unhealthy, because: 'the runtime may not have written it yet' },
  { log: 'all', says: Unhealthy, because: 'the rest may follow' },
  { log: 'none of it', says: PermanentFailure, because: 'that becomes nothing else' },
  { log: 'all of it and more', says: PermanentFailure, because: 'that becomes nothing else' },
])('takes a log of "$log" as it is: $because', async ({ log, says }) => {
  const { url } = await serve((_, response) => response.end(log));
  const api = apiOf({ server: url, insecure: false });
  const look = podWrote({ api, home: '/api/v1/namespaces/test' }, 'reader', 'all of it');
  const outcome = await look(new AbortController().signal).catch((error: unknown) => error);
  if (says === undefined) expect(outcome).toBeUndefined();
  else expect(outcome).toBeInstanceOf(says);
});
