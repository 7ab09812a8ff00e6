/** Asks before keys are sent that make a guest restart: one that is pressed by mistake costs what was not saved. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { text } from '../../text/text.ts';
import { type Combination, nameOf } from '../screen/keys.ts';

const words = text.session.ctrlAltDel;

interface HarshKeysProps {
  /** What is asked about; nothing is shown without. */
  readonly keys: Combination | undefined;
  readonly onAnswer: (isWanted: boolean) => void;
}

export function HarshKeys({ keys, onAnswer }: HarshKeysProps) {
  return (
    <Modal
      variant="small"
      isOpen={keys !== undefined}
      onClose={() => onAnswer(false)}
      aria-labelledby="harsh-keys-title"
      elementToFocus="#harsh-keys-cancel"
    >
      <ModalHeader titleIconVariant="warning" title={words.title(nameOf(keys ?? []))} labelId="harsh-keys-title" />
      <ModalBody>{words.why}</ModalBody>
      <ModalFooter>
        <Button variant="danger" onClick={() => onAnswer(true)}>
          {words.send}
        </Button>
        <Button id="harsh-keys-cancel" variant="link" onClick={() => onAnswer(false)}>
          {words.cancel}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
