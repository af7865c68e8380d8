import { readFileSync, writeFileSync } from 'node:fs';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

/** What the kubelet asks for a pod's sandbox (PodInfraOOMAdj in pkg/kubelet/qos/policy.go). */
const wanted = -998;

/**
 * Whether pods may be protected from the kernel's out-of-memory killer as the kubelet wants it. That takes CAP_SYS_RESOURCE
 * in the machine's own user namespace, so it is tried on this process, whose score is put back at once.
 */
export function canLowerOomScore(): boolean {
  const file = '/proc/self/oom_score_adj';
  // Without a pause in between: a process that is started meanwhile would keep the score.
  const own = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, String(wanted));
  } catch {
    return false;
  }
  writeFileSync(file, own);
  return true;
}

export function checkOomScore(): CheckResult {
  const what = 'oom score';
  if (canLowerOomScore()) return ok(what, 'can be lowered for pods');
  return note(
    what,
    'cannot be lowered: pods are as likely to be killed as others when memory is short',
    'give CAP_SYS_RESOURCE: in a container, --privileged',
  );
}
