/** A VM as it is now, with its ETag, for a dialog that changes it: nobody's change is overwritten unseen (412). */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { getVm, type Vm } from '../../../../api/vm.ts';
import { client } from '../../api/client.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { text } from '../../text/text.ts';

const words = text.console.vms.freshVm;

interface FreshVmProps {
  readonly vmId: string;
  readonly children: (vm: Vm, etag: string | undefined) => ReactNode;
}

export function FreshVm({ vmId, children }: FreshVmProps) {
  const fresh = useQuery({
    queryKey: ['vm-edit', vmId],
    queryFn: ({ signal }) => client.send(getVm, { params: { vmId }, signal }),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (fresh.isError) return <Failure title={words.machineCouldNotBeRead} error={fresh.error} />;
  return fresh.data === undefined ? null : children(fresh.data.body, fresh.data.etag);
}
