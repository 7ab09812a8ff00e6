/** Opening what a fold may be about to change: it re-links a file and removes another, and who comes in between looks again. */
import { isVhdError } from '../../errors.ts';

const ATTEMPTS = 10;
const PAUSE_MS = 20;

/** `open` is asked to look anew each time. Errors: those of `open` where no fold runs, or it fails again and again. */
export async function whileFolding<T>(isBusy: () => boolean, open: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const wasBusy = isBusy();
    try {
      return await open();
    } catch (error) {
      const mayPass =
        (wasBusy || isBusy()) &&
        attempt < ATTEMPTS &&
        isVhdError(error, 'NOT_FOUND', 'PARENT_NOT_FOUND', 'PARENT_MISMATCH', 'IN_PROGRESS');
      if (!mayPass) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
