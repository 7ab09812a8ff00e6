/** Short messages at the edge of the page: what was done, what failed. Announced to screen readers, gone by themselves. */
import { Alert, AlertActionCloseButton, AlertGroup } from '@patternfly/react-core';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import { describeError } from '../../api/client.ts';
import { text } from '../../text/text.ts';

const words = text.shell.frame.notices;
const { common } = text;

export interface Notice {
  readonly id: number;
  readonly variant: 'success' | 'danger' | 'info' | 'warning';
  readonly title: string;
  readonly detail?: string;
}

interface Notices {
  readonly done: (title: string) => void;
  readonly tell: (title: string, detail?: string) => void;
  readonly failed: (title: string, error: unknown) => void;
}

const MAX_NOTICES = 5;
const NoticesContext = createContext<Notices>({
  done: () => undefined,
  tell: () => undefined,
  failed: () => undefined,
});

export function useNotices(): Notices {
  return useContext(NoticesContext);
}

let lastId = 0;

export function NoticesProvider({ children }: { readonly children: ReactNode }) {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const drop = useCallback((id: number) => setNotices((all) => all.filter((each) => each.id !== id)), []);
  const value = useMemo<Notices>(() => {
    const add = (notice: Omit<Notice, 'id'>) => {
      lastId += 1;
      const id = lastId;
      setNotices((all) => [...all.slice(1 - MAX_NOTICES), { ...notice, id }]);
    };
    return {
      done: (title) => add({ variant: 'success', title }),
      tell: (title, detail) => add({ variant: 'info', title, ...(detail === undefined ? {} : { detail }) }),
      failed: (title, error) => add({ variant: 'danger', title, detail: describeError(error) }),
    };
  }, []);
  return (
    <NoticesContext.Provider value={value}>
      {children}
      <AlertGroup isToast isLiveRegion aria-label={words.messages}>
        {notices.map((notice) => (
          <Alert
            component="p"
            key={notice.id}
            variant={notice.variant}
            title={notice.title}
            timeout={notice.variant === 'danger' ? 12_000 : 5_000}
            onTimeout={() => drop(notice.id)}
            actionClose={<AlertActionCloseButton title={common.close} onClose={() => drop(notice.id)} />}
          >
            {notice.detail}
          </Alert>
        ))}
      </AlertGroup>
    </NoticesContext.Provider>
  );
}
