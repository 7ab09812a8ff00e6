/** What a job keeps of its restore points and why; nothing is changed by looking. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useQuery } from '@tanstack/react-query';
import { type BackupJob, pruneBackupJob } from '../../../../api/backup.ts';
import { client } from '../../api/client.ts';
import { formatTime } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { text } from '../../text/text.ts';

const words = text.console.backups.verdictDialog;

export function VerdictDialog({ job, onClose }: { readonly job: BackupJob; readonly onClose: () => void }) {
  const query = useQuery({
    queryKey: [pruneBackupJob.id, job.id],
    queryFn: () => client.call(pruneBackupJob, { params: { jobId: job.id }, body: { dryRun: true } }),
    staleTime: 0,
  });
  const verdicts = query.data?.verdicts ?? [];
  return (
    <Modal isOpen variant="large" onClose={onClose} aria-labelledby="verdicts-title">
      <ModalHeader title={words.title(job.name)} labelId="verdicts-title" />
      <ModalBody>
        {query.isPending && <Loading />}
        {query.isError && <Failure title={words.couldNot} error={query.error} onRetry={() => void query.refetch()} />}
        {query.isSuccess && verdicts.length === 0 && <p>{words.nothing}</p>}
        {0 < verdicts.length && (
          <Table variant="compact" aria-label={words.title(job.name)}>
            <Thead>
              <Tr>
                <Th>{words.vm}</Th>
                <Th>{words.taken}</Th>
                <Th>{words.why}</Th>
              </Tr>
            </Thead>
            <Tbody>
              {verdicts.map(({ point, keptFor }) => (
                <Tr key={`${point.vmId} ${point.id}`}>
                  <Td>{point.vmName}</Td>
                  <Td>{formatTime(point.createdAt)}</Td>
                  <Td>{keptFor ?? <strong>{words.goes}</strong>}</Td>
                </Tr>
              ))}
            </Tbody>
          </Table>
        )}
      </ModalBody>
      <ModalFooter>
        <Button variant="link" onClick={onClose}>
          {words.close}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
