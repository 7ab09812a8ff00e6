/** The title of the browser tab, for as long as the page that sets it is shown. */
import { useEffect } from 'react';
import { text } from '../../text/text.ts';

const { common } = text;

export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? common.oriel : `${title} · Oriel`;
  }, [title]);
}
