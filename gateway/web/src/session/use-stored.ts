/** A choice that this browser remembers. */
import { useCallback, useState } from 'react';

export function useStored<T extends string>(
  key: string,
  choices: readonly T[],
  fallback: T,
): readonly [T, (next: T) => void] {
  const [value, setValue] = useState<T>(() => {
    try {
      const stored = localStorage.getItem(key);
      return choices.find((choice) => choice === stored) ?? fallback;
    } catch {
      return fallback;
    }
  });
  const store = useCallback(
    (next: T) => {
      setValue(next);
      try {
        localStorage.setItem(key, next);
      } catch {
        // Storage is off: the choice lasts until the page is left.
      }
    },
    [key],
  );
  return [value, store];
}
