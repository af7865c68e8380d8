import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from '../../engine/component.ts';
import type { DnsOptions, HelperOptions } from '../../helper/options.ts';
import { childEnv } from '../../lib/childEnv.ts';
import { programFile } from '../../lib/paths.ts';
import { commandWith } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { localServer } from '../kubeconfig/clients.ts';
import { pkiPaths } from '../pki/paths.ts';

/** The helper process, with its options in `file`: storage by the config, and DNS if it is to serve it. */
export function helperCommand(facts: NodeFacts, file: string, dns?: DnsOptions): Command {
  const { config, paths } = facts;
  const pki = pkiPaths(paths.pki);
  const options: HelperOptions = {
    api: { server: localServer(facts), ca: pki.ca.cert, ...pki.helper },
    ...(dns !== undefined && { dns }),
    ...(config.storage === 'local' && {
      storage: { folder: join(paths.data, 'volumes'), nodeName: config.nodeName },
    }),
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(options));
  // By a flag of the command line, since V8 takes it only at its start: at 4000 questions a second, 55 MB instead of 60.
  const args = ['--max-semi-space-size=1', programFile('helper'), file];
  // With childEnv: it is a process of ours, and as small as the supervisor.
  return commandWith(childEnv(facts.env), process.execPath, args);
}
