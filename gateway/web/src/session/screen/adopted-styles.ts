/**
 * Lets xterm.js work under `style-src 'self'`. Its renderer and its scroll bar write <style> elements, which that policy
 * refuses; the same rules in adopted style sheets are allowed, because markup cannot make those. So while a terminal
 * opens, `createElement('style')` gives a stand-in whose text becomes an adopted sheet. Checked against xterm 6.0
 * (DomRenderer, Viewport). What is left are style attributes for 24-bit colours: `style-src-attr 'unsafe-inline'`.
 */

/** Runs `open` (which has to be synchronous) with stand-ins for <style>. */
export function withAdoptedStyles(real: Document, open: () => void): void {
  const create = (name: string) =>
    name === 'style' ? standIn(real) : Document.prototype.createElement.call(real, name);
  Object.defineProperty(real, 'createElement', { value: create, configurable: true });
  try {
    open();
  } finally {
    // The own property hid the prototype's method; without it that is back.
    Reflect.deleteProperty(real, 'createElement');
  }
}

/** An element whose text is a sheet of the document for as long as the element is there. */
function standIn(real: Document): HTMLElement {
  const element = Document.prototype.createElement.call(real, 'template');
  const sheet = new CSSStyleSheet();
  real.adoptedStyleSheets.push(sheet);
  let text = '';
  Object.defineProperty(element, 'textContent', {
    get: () => text,
    set: (value: string) => {
      text = value;
      sheet.replaceSync(value);
    },
  });
  element.remove = () => {
    real.adoptedStyleSheets = real.adoptedStyleSheets.filter((each) => each !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}
