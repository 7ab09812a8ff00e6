/** The serial console beside the screen: its bar, its terminal, what it says when the connection is away. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { TimesIcon } from '@patternfly/react-icons/dist/esm/icons/times-icon';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import type { LinkState } from '../link/link.ts';
import { LinkNotice } from '../link/link-notice.tsx';
import { type SessionTarget, ticketSource } from '../link/tickets.ts';
import { writeQuietly } from '../screen/clipboard.ts';
import { needsConsent } from '../screen/paste.ts';
import { Terminal } from './terminal.ts';
import { useTerminalFont } from './use-terminal-font.ts';

const words = text.session.serial;

interface SerialConsoleProps {
  readonly target: SessionTarget;
  readonly onClose: () => void;
}

interface PendingPaste {
  readonly text: string;
  readonly answer: (isAllowed: boolean) => void;
}

export function SerialConsole({ target, onClose }: SerialConsoleProps) {
  const host = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal>(undefined);
  const [link, setLink] = useState<LinkState>({ kind: 'opening' });
  const [pending, setPending] = useState<PendingPaste>();
  const isFontReady = useTerminalFont();
  const key = JSON.stringify(target);

  const confirmPaste = useCallback((text: string): Promise<boolean> => {
    if (!needsConsent(text)) return Promise.resolve(true);
    return new Promise((answer) => setPending({ text, answer }));
  }, []);

  const notices = useNotices();
  const copy = useCallback(
    (selected: string) => {
      if (selected === '') notices.tell(words.nothing, words.nothingWhy);
      else
        void writeQuietly(selected).then((isCopied) =>
          isCopied ? notices.done(words.copied) : notices.tell(text.session.page.notAllowed),
        );
    },
    [notices],
  );

  useEffect(() => {
    if (host.current === null || !isFontReady) return undefined;
    const made = new Terminal(host.current, ticketSource(JSON.parse(key) as SessionTarget), {
      onState: setLink,
      confirmPaste,
      onCopy: () => copy(made.selection()),
    });
    terminal.current = made;
    made.start();
    return () => made.stop();
  }, [key, confirmPaste, copy, isFontReady]);

  const answer = (isAllowed: boolean) => {
    pending?.answer(isAllowed);
    setPending(undefined);
  };

  return (
    <section className="oriel-serial" aria-label={words.title} data-testid="serial">
      <header className="oriel-serial__bar">
        <span className="oriel-serial__title">{words.title}</span>
        <span>
          <Button variant="link" size="sm" onClick={() => copy(terminal.current?.selection() ?? '')}>
            {words.copy}
          </Button>
          <Button variant="plain" size="sm" aria-label={words.close} icon={<TimesIcon />} onClick={onClose} />
        </span>
      </header>
      <div className="oriel-serial__terminal" ref={host} />
      <LinkNotice
        opening={text.session.opening.serial}
        link={link}
        onRetry={() => terminal.current?.retryNow()}
        onReopen={() => terminal.current?.reopen()}
      />
      <Modal variant="small" isOpen={pending !== undefined} onClose={() => answer(false)} aria-labelledby="paste-title">
        <ModalHeader title={words.pasteTitle} labelId="paste-title" />
        <ModalBody>
          <p>{words.pasteWhy}</p>
          <pre className="oriel-paste-preview">{pending?.text.replaceAll('\r', '\n').slice(0, 2000)}</pre>
        </ModalBody>
        <ModalFooter>
          <Button onClick={() => answer(true)}>{words.paste}</Button>
          <Button variant="link" onClick={() => answer(false)}>
            {words.cancel}
          </Button>
        </ModalFooter>
      </Modal>
    </section>
  );
}
