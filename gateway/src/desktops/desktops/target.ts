/** What stands behind a desktop, by its kind: whoever adds a kind writes a Target and a line in `Targets` (main.ts). */
import type { DisplayEndpoint } from '@oriel/hosts';
import type { Desktop, DesktopKind, DesktopView } from '../../../api/desktop.ts';

/** A desktop's row: what it is, and what of. */
export interface StoredDesktop {
  readonly id: string;
  readonly kind: DesktopKind;
  /** Of kind `vm`. */
  readonly vmId: string | null;
}

/** What a person sees of it, whoever looks. */
export interface TargetFacts
  extends Pick<Desktop, 'name' | 'description' | 'state' | 'reason' | 'views' | 'hasClipboard'> {
  /** Whether it could be opened now. */
  readonly isOn: boolean;
}

/** A PNG of a screen: at most so old, and (in pixels) so wide. */
export interface PictureAsked {
  readonly maxAgeMs: number;
  readonly maxWidth: number;
  readonly signal: AbortSignal;
}

export interface Target {
  /** Undefined: it has gone. */
  describe(desktop: StoredDesktop): Promise<TargetFacts | undefined>;
  /** The same of many at once, by the desktop's id; those that have gone are left out. */
  describeAll(desktops: readonly StoredDesktop[]): Promise<ReadonlyMap<string, TargetFacts>>;
  /** A way to it, good for a few seconds. Throws CONFLICT where it does not run. */
  dial(desktop: StoredDesktop, view: DesktopView): Promise<DisplayEndpoint>;
  /** Throws NOT_SUPPORTED where there is none to be had. */
  picture(desktop: StoredDesktop, asked: PictureAsked): Promise<Uint8Array>;
  /** Tells of what has changed, or (without facts) gone. Gives what ends it. */
  subscribe(listener: (desktopId: string, facts: TargetFacts | undefined) => void): () => void;
}

export type Targets = Readonly<Record<DesktopKind, Target>>;
