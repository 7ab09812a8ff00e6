/** The page of a session: bar, screen, and what can be opened beside it. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { Desktop } from '../../../api/desktop.ts';
import { getSession, type SessionEnd } from '../../../api/session.ts';
import { apiQuery } from '../api/query.ts';
import { useNotices } from '../shell/frame/notices.tsx';
import { SessionBar } from './bar/session-bar.tsx';
import { whyEnded } from './link/close-reason.ts';
import type { LinkState } from './link/link.ts';
import { LinkNotice } from './link/link-notice.tsx';
import { LinkStatus } from './link/link-status.tsx';
import type { SessionTarget } from './link/tickets.ts';
import { ClipboardPanel } from './panel/clipboard-panel.tsx';
import type { PanelName } from './panel/panel.tsx';
import { refusalText, useClipboardSending } from './panel/use-clipboard-sending.ts';
import { PeoplePanel } from './people/people-panel.tsx';
import { SessionBanners } from './people/session-banners.tsx';
import { useSessionEvents } from './people/use-session-events.ts';
import { clipboardWays, hasClipboardChannel } from './screen/clipboard.ts';
import type { FitChoice } from './screen/fit.ts';
import { KEYBOARDS, type KeyboardChoice } from './screen/guest-keyboard.ts';
import { QUALITIES, type QualityChoice } from './screen/quality.ts';
import { saveScreenshot } from './screen/screenshot.ts';
import { TouchKeys } from './screen/touch-keys.tsx';
import { useClipboardSync } from './screen/use-clipboard-sync.ts';
import { useDisplay } from './screen/use-display.ts';
import { useFullScreen } from './screen/use-full-screen.ts';
import { useLeadOut } from './screen/use-lead-out.ts';
import { SerialSplit } from './serial/serial-split.tsx';
import { hasNoScreen, hasStateNotice, StateNotice } from './state-notice.tsx';
import { useStored } from './use-stored.ts';
import './session.css';
import { text } from '../text/text.ts';

const words = text.session;

interface SessionViewProps {
  readonly target: SessionTarget;
  readonly desktop: Desktop | undefined;
  readonly desktopId: string;
  /** The desktop was there, and is no more. */
  readonly isGone?: boolean;
}

const FIT_CHOICES: readonly FitChoice[] = ['scale', 'resize', 'actual'];

export function SessionView({ target, desktop, desktopId, isGone = false }: SessionViewProps) {
  const screen = useRef<HTMLDivElement>(null);
  const ghost = useRef<HTMLDivElement>(null);
  const [fit, setFit] = useStored<FitChoice>('oriel.fit', FIT_CHOICES, 'scale');
  const [quality, setQuality] = useStored<QualityChoice>('oriel.quality', QUALITIES, 'auto');
  const [sync, setSync] = useStored<'on' | 'off'>('oriel.clipboard-sync', ['on', 'off'], 'on');
  const [keyboard, setKeyboard] = useStored<KeyboardChoice>(`oriel.keyboard.${desktopId}`, KEYBOARDS, 'mine');
  const [isViewOnly, setViewOnly] = useState(false);
  const [isDragging, setDragging] = useState(false);
  const [panel, setPanel] = useState<PanelName>();
  const [isSerialOpen, setSerialOpen] = useState(false);
  const [areKeysOpen, setKeysOpen] = useState(false);
  const notices = useNotices();
  const fullScreen = useFullScreen();
  const leadOut = useLeadOut();

  const settings = useMemo(
    () => ({ fit, quality, isViewOnly, isDragging, keyboard }),
    [fit, quality, isViewOnly, isDragging, keyboard],
  );
  const used = useDisplay(target, screen, ghost, settings);
  const { display, link, mode, sessionId } = used;
  const news = useSessionEvents(sessionId, link.kind === 'connected');
  const session = useQuery({
    ...apiQuery(getSession, { params: { sessionId: sessionId ?? '' } }),
    enabled: sessionId !== undefined && link.kind === 'connected',
  }).data;
  const ways = clipboardWays(session?.policy.clipboard, mode);
  const missingKey = used.missingKey;
  useEffect(() => {
    if (missingKey !== undefined) notices.tell(words.touch.missing(missingKey.character), words.touch.missingWhy);
  }, [missingKey, notices]);
  const { refusal } = news;
  useEffect(() => {
    if (refusal !== undefined) notices.tell(...refusalText(refusal));
  }, [refusal, notices]);
  const { hasKeptSize } = used;
  useEffect(() => {
    if (hasKeptSize) notices.tell(words.fits.kept, words.fits.keptWhy);
  }, [hasKeptSize, notices]);
  const hasChannel = hasClipboardChannel(used.hasScancodes, desktop?.hasClipboard);
  const sendClipboard = useClipboardSending(display, session?.policy.clipboardBytes);
  useClipboardSync(used, ways, sync === 'on' && hasChannel, sendClipboard);

  const name = desktop?.name ?? session?.desktopName ?? words.page.desktop;
  const shown = shownLink(link, news.end, isGone ? words.page.gone(name) : undefined);
  const isOff = hasNoScreen(desktop);
  useEffect(() => display?.hold(isOff), [isOff, display]);
  // It has been started meanwhile, here or elsewhere: no need to wait for the next attempt.
  const state = desktop?.state;
  useEffect(() => {
    if (state === 'running') display?.retryNow();
  }, [state, display]);
  const takePicture = async () => {
    const picture = await display?.picture();
    if (picture === null || picture === undefined) notices.tell(words.page.noPicture);
    else saveScreenshot(picture, name, new Date());
  };
  const serialTarget: SessionTarget = { kind: 'desktop', desktopId, view: 'serial', mode: 'control' };

  const isLooking = isViewOnly || mode === 'view';
  return (
    <div className="oriel-session">
      <SessionBar
        name={name}
        desktop={desktop}
        used={used}
        fit={fit}
        onFit={setFit}
        quality={quality}
        onQuality={setQuality}
        keyboard={keyboard}
        onKeyboard={setKeyboard}
        isViewOnly={isLooking}
        onViewOnly={mode === 'view' ? undefined : setViewOnly}
        isDragging={isDragging}
        onDragging={setDragging}
        panel={panel}
        onPanel={setPanel}
        others={Math.max(0, news.people.length - 1)}
        hasClipboard={ways.canSend || ways.canReceive}
        isSerialOpen={isSerialOpen}
        onSerial={setSerialOpen}
        areKeysOpen={areKeysOpen}
        onKeys={setKeysOpen}
        isFullScreen={fullScreen.isFull}
        onFullScreen={fullScreen.isThere ? fullScreen.toggle : undefined}
        onPicture={() => void takePicture()}
      />
      <main className="oriel-session__main" aria-label={words.page.sessionOn(name)}>
        <SerialSplit
          serial={isSerialOpen ? serialTarget : undefined}
          onClose={() => {
            setSerialOpen(false);
            display?.focus();
          }}
        >
          <div className="oriel-session__row">
            <div className="oriel-stage" {...leadOut}>
              <div className={`oriel-stage__ghost oriel-fit--${fit}`} ref={ghost} />
              <div className="oriel-stage__screen" ref={screen} data-testid="screen" />
              {shown.kind !== 'ended' && hasStateNotice(desktop, link.kind === 'connected') ? (
                <StateNotice desktop={desktop} />
              ) : (
                <LinkNotice
                  opening={words.opening.desktop}
                  link={shown}
                  wait={used.isAsking ? words.link.waitForOwner : undefined}
                  onRetry={() => display?.retryNow()}
                  onReopen={() => display?.reopen()}
                />
              )}
              <SessionBanners news={news} sessionId={sessionId} onStay={() => display?.stayAwake()} />
            </div>
            {panel === 'clipboard' && (
              <ClipboardPanel
                used={used}
                ways={ways}
                hasChannel={hasChannel}
                onSend={sendClipboard}
                keyboard={keyboard}
                onKeyboard={setKeyboard}
                isSynced={sync === 'on'}
                onSynced={(isOn) => setSync(isOn ? 'on' : 'off')}
                onClose={() => setPanel(undefined)}
              />
            )}
            {panel === 'people' && sessionId !== undefined && (
              <PeoplePanel sessionId={sessionId} onClose={() => setPanel(undefined)} />
            )}
          </div>
        </SerialSplit>
        {areKeysOpen && !isLooking && display !== undefined && <TouchKeys display={display} />}
      </main>
      <LinkStatus link={shown} name={name} isViewOnly={isLooking} state={desktop?.state} />
    </div>
  );
}

/** What ended it says more than that it ended; of a desktop that is gone there is nothing to come back to. */
function shownLink(link: LinkState, end: SessionEnd | undefined, gone: string | undefined): LinkState {
  if (link.kind === 'ended') return { ...link, why: whyEnded(end, link.why) };
  return gone === undefined ? link : { kind: 'ended', why: gone, canReopen: false };
}
