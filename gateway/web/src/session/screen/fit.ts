/** How the screen of a desktop meets the window. */

/** `scale`: shrink or grow the picture. `resize`: ask the desktop for the window's size. `actual`: one to one. */
export type FitChoice = 'scale' | 'resize' | 'actual';

export const FITS: readonly FitChoice[] = ['scale', 'resize', 'actual'];
