/** One line of the audit log, whole. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import type { AuditLine } from '../../../../api/audit.ts';
import { text } from '../../text/text.ts';

const words = text.console.audit.lineDialog;
const { common } = text;

interface LineDialogProps {
  readonly line: AuditLine;
  readonly onClose: () => void;
}

export function LineDialog({ line, onClose }: LineDialogProps) {
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="line-title">
      <ModalHeader title={words.line(line.seq)} labelId="line-title" />
      <ModalBody tabIndex={0} aria-label={words.lineAsJson}>
        <pre className="oriel-json">{JSON.stringify(line, undefined, 2)}</pre>
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{common.close}</Button>
      </ModalFooter>
    </Modal>
  );
}
