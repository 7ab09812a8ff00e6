/** A panel beside the screen, which makes room for it. Escape closes it. */
import { Button } from '@patternfly/react-core';
import { TimesIcon } from '@patternfly/react-icons/dist/esm/icons/times-icon';
import type { ReactNode } from 'react';
import './panel.css';
import { text } from '../../text/text.ts';

/** The panels beside a screen, one of which is open at a time. */
export type PanelName = 'clipboard' | 'people';

interface PanelProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function Panel({ title, onClose, children }: PanelProps) {
  return (
    <aside
      className="oriel-panel"
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
        // What is typed here is not for the desktop.
        event.stopPropagation();
      }}
    >
      <header className="oriel-panel__head">
        <h2>{title}</h2>
        <Button
          variant="plain"
          aria-label={text.session.page.closePanel(title)}
          icon={<TimesIcon />}
          onClick={onClose}
        />
      </header>
      {children}
    </aside>
  );
}
