/** Saves the screen as a PNG on this device. */
export function saveScreenshot(picture: Blob, desktopName: string, now: Date): void {
  const url = URL.createObjectURL(picture);
  const link = document.createElement('a');
  link.href = url;
  link.download = screenshotName(desktopName, now);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A file name that every system takes, whatever the desktop is called. */
export function screenshotName(desktopName: string, now: Date): string {
  const name =
    desktopName
      .replace(/[^\p{L}\p{N}._-]+/gu, '-')
      .replace(/^[-.]+|-+$/g, '')
      .slice(0, 60) || 'desktop';
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '.').replace('T', ' ');
  return `${name} ${stamp}.png`;
}
