import { readFileSync, writeFileSync } from 'node:fs';
import { ok, note } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

/** The kubelet's oom_score_adj for the sandbox of a pod (PodInfraOOMAdj in pkg/kubelet/qos/policy.go). */
const podSandboxScore = -998;

/**
 * Whether the kubelet can protect pods from the kernel's out-of-memory killer. That takes CAP_SYS_RESOURCE in the initial user
 * namespace, so this process lowers its own score and restores it immediately.
 */
export function canLowerOomScore(): boolean {
  const file = '/proc/self/oom_score_adj';
  // Synchronous: a process that is started in between would keep the score.
  const own = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, String(podSandboxScore));
  } catch {
    return false;
  }
  writeFileSync(file, own);
  return true;
}

export function checkOomScore(): CheckResult {
  const subject = 'oom score';
  if (canLowerOomScore()) return ok(subject, 'can be lowered for pods');
  return note(
    subject,
    'cannot be lowered: when memory runs out, pods are as likely to be killed as other processes',
    'give CAP_SYS_RESOURCE: in a container, --privileged',
  );
}
