/** One question to a VM's agent, refused here where there can be no answer. */
import type { AgentOptions } from '../../driver.ts';
import { HostError } from '../../errors.ts';
import { AGENT_LIMITS } from '../agent/channel.ts';
import type { Json } from '../qmp/framing.ts';
import type { QemuVm } from '../vm/vm.ts';

export async function askAgent(
  vm: QemuVm,
  command: string,
  args: Record<string, Json> | undefined,
  options: AgentOptions = {},
): Promise<Json> {
  options.signal?.throwIfAborted();
  if (vm.process === undefined) throw vm.wrongState(`ask the agent of`);
  if (!vm.process.spec.hasAgent) throw new HostError('AGENT_ABSENT', `${vm.id} has no agent channel`);
  if (!vm.isAgentConnected) throw new HostError('AGENT_ABSENT', `no agent runs in the guest of ${vm.id}`);
  return vm.agent.execute(command, args, options.timeoutMs ?? AGENT_LIMITS.commandMs);
}
