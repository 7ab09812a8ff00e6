/** Start, shut down, reset: for whoever holds the right. What cannot be undone asks first. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { PowerOffIcon } from '@patternfly/react-icons/dist/esm/icons/power-off-icon';
import { useState } from 'react';
import type { Desktop } from '../../../../api/desktop.ts';
import { POWER_VERBS, type PowerVerb, runPower } from '../../api/power.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import { BarMenu } from './bar-menu.tsx';

const words = text.session.power;

interface PowerMenuProps {
  readonly desktop: Desktop;
  readonly isOpen: boolean;
  readonly onOpen: (isOpen: boolean) => void;
}

export function PowerMenu({ desktop, isOpen, onOpen }: PowerMenuProps) {
  const [asking, setAsking] = useState<PowerVerb>();
  const notices = useNotices();
  const run = async (verb: PowerVerb) => {
    setAsking(undefined);
    try {
      await runPower(desktop.id, verb.id);
      notices.done(words.done(desktop.name, verb.done));
    } catch (error) {
      notices.failed(words.failed(verb.label), error);
    }
  };
  return (
    <>
      <BarMenu
        label={text.session.bar.power}
        icon={<PowerOffIcon />}
        isOpen={isOpen}
        onOpen={onOpen}
        items={POWER_VERBS.map((verb) => ({
          key: verb.id,
          label: verb.label,
          isDanger: verb.isHarsh,
          isDisabled: !verb.from.includes(desktop.state),
          onSelect: () => (verb.isHarsh ? setAsking(verb) : void run(verb)),
        }))}
      />
      <Modal
        variant="small"
        isOpen={asking !== undefined}
        onClose={() => setAsking(undefined)}
        aria-labelledby="power-title"
      >
        <ModalHeader
          titleIconVariant="warning"
          title={asking === undefined ? '' : words.ask(asking.label, desktop.name)}
          labelId="power-title"
        />
        <ModalBody>{words.loses}</ModalBody>
        <ModalFooter>
          <Button variant="danger" onClick={() => asking !== undefined && void run(asking)}>
            {asking?.label}
          </Button>
          <Button variant="link" onClick={() => setAsking(undefined)}>
            {words.cancel}
          </Button>
        </ModalFooter>
      </Modal>
    </>
  );
}
