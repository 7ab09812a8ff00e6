/** Screen above, serial console below, with a bar between them that moves by mouse, finger and arrow keys. */
import { type KeyboardEvent, lazy, type PointerEvent, type ReactNode, Suspense, useRef, useState } from 'react';
import { ErrorBoundary } from '../../shell/frame/error-boundary.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import type { SessionTarget } from '../link/tickets.ts';
import './serial.css';
import { text } from '../../text/text.ts';

const words = text.session.serial;

// xterm.js comes with the first serial console that is opened.
const SerialConsole = lazy(async () => ({ default: (await import('./serial-console.tsx')).SerialConsole }));

interface SerialSplitProps {
  readonly serial: SessionTarget | undefined;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

const SHARE = { min: 15, max: 80, start: 40, step: 5 } as const;

export function SerialSplit({ serial, onClose, children }: SerialSplitProps) {
  const box = useRef<HTMLDivElement>(null);
  const [share, setShare] = useState<number>(SHARE.start);
  const set = (percent: number) => setShare(Math.round(Math.min(SHARE.max, Math.max(SHARE.min, percent))));

  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowUp') set(share + SHARE.step);
    else if (event.key === 'ArrowDown') set(share - SHARE.step);
    else return;
    event.preventDefault();
  };
  const onMove = (event: PointerEvent) => {
    const rect = box.current?.getBoundingClientRect();
    if (rect === undefined || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    set(((rect.bottom - event.clientY) / rect.height) * 100);
  };

  return (
    <div className="oriel-split" ref={box}>
      {children}
      {serial !== undefined && (
        <>
          <div
            role="separator"
            tabIndex={0}
            aria-label={words.height}
            aria-orientation="horizontal"
            aria-valuemin={SHARE.min}
            aria-valuemax={SHARE.max}
            aria-valuenow={share}
            className="oriel-split__bar"
            onKeyDown={onKey}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={onMove}
          />
          <div className="oriel-split__lower" style={{ flexBasis: `${share}%` }}>
            <ErrorBoundary resetKey="">
              <Suspense fallback={<Loading label={words.loading} />}>
                <SerialConsole target={serial} onClose={onClose} />
              </Suspense>
            </ErrorBoundary>
          </div>
        </>
      )}
    </div>
  );
}
