/** The chain of one disk, in a dialog. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { type Disk, listDisks } from '../../../../api/disk.ts';
import { apiQuery } from '../../api/query.ts';
import { Loading } from '../../shell/frame/loading.tsx';
import { text } from '../../text/text.ts';
import { ChainView } from './chain-view.tsx';

const words = text.console.images.chainDialog;
const { common } = text;

interface ChainDialogProps {
  readonly disk: Disk;
  readonly onClose: () => void;
}

export function ChainDialog({ disk, onClose }: ChainDialogProps) {
  const query = useQuery(apiQuery(listDisks, { query: { limit: 500 } }));
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="chain-title">
      <ModalHeader title={words.chain(disk.name)} labelId="chain-title" />
      <ModalBody>
        {query.data === undefined ? (
          <Loading label={words.loadingChain} />
        ) : (
          <ChainView leaf={disk} disks={query.data.items} />
        )}
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{common.close}</Button>
      </ModalFooter>
    </Modal>
  );
}
