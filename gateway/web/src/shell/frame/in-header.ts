/** Where tooltips of a bar go: into its <header>, so that they are in a landmark; PatternFly's default is the body. */
export function inHeader(reference?: HTMLElement): HTMLElement {
  return reference?.closest('header') ?? document.querySelector('header') ?? document.body;
}
