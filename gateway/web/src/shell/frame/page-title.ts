/** The title of the browser tab, for as long as the page that sets it is shown. */
import { useEffect } from 'react';

export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Oriel' : `${title} · Oriel`;
  }, [title]);
}
