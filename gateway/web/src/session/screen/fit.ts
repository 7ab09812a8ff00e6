/** How the screen of a desktop meets the window. */

/** `scale`: shrink or grow the picture. `resize`: ask the desktop for the window's size. `actual`: one to one. */
export type FitChoice = 'scale' | 'resize' | 'actual';

export const FITS: readonly { readonly choice: FitChoice; readonly label: string; readonly description: string }[] = [
  { choice: 'scale', label: 'Scale to the window', description: 'The picture shrinks or grows' },
  { choice: 'resize', label: 'Resize the desktop', description: 'The desktop takes the size of the window, if it can' },
  { choice: 'actual', label: 'Actual size', description: 'One pixel for one pixel' },
];
