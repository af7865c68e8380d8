#!/usr/bin/env node
import { program } from './cli/program.ts';
import { reportError } from './cli/reportError.ts';

try {
  await program().parseAsync();
} catch (error) {
  process.exitCode = reportError(error);
}
