/** Light, dark, or as the system has it. public/theme.js sets the class before the first paint; this keeps it right. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';

export type ThemeChoice = 'system' | 'light' | 'dark';

interface Theme {
  readonly choice: ThemeChoice;
  readonly isDark: boolean;
  readonly choose: (choice: ThemeChoice) => void;
}

const STORAGE_KEY = 'oriel.theme';
const ThemeContext = createContext<Theme>({ choice: 'system', isDark: false, choose: () => undefined });

export function useTheme(): Theme {
  return useContext(ThemeContext);
}

export function ThemeProvider({ children }: { readonly children: ReactNode }) {
  const [choice, setChoice] = useState<ThemeChoice>(stored);
  const [isSystemDark, setSystemDark] = useState(() => systemDark().matches);
  const isDark = choice === 'dark' || (choice === 'system' && isSystemDark);

  useEffect(() => {
    const media = systemDark();
    const follow = () => setSystemDark(media.matches);
    media.addEventListener('change', follow);
    return () => media.removeEventListener('change', follow);
  }, []);
  useEffect(() => {
    document.documentElement.classList.toggle('pf-v6-theme-dark', isDark);
  }, [isDark]);

  const theme = useMemo<Theme>(() => {
    const choose = (next: ThemeChoice) => {
      setChoice(next);
      try {
        localStorage.setItem(STORAGE_KEY, next);
      } catch {
        // Storage is off: the choice lasts until the page is left.
      }
    };
    return { choice, isDark, choose };
  }, [choice, isDark]);
  return <ThemeContext.Provider value={theme}>{children}</ThemeContext.Provider>;
}

function systemDark(): MediaQueryList {
  return window.matchMedia('(prefers-color-scheme: dark)');
}

function stored(): ThemeChoice {
  try {
    const value = localStorage.getItem(STORAGE_KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}
