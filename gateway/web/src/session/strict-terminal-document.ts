/**
 * Lets xterm.js work under a policy of `style-src 'self'`. Its DOM renderer writes <style> elements and style
 * attributes, which the policy refuses; the same rules through the CSSOM (adopted style sheets, element.style) are
 * allowed, because a page cannot be tricked into those by markup. So xterm gets a document whose createElement gives
 * stand-ins: an element whose textContent becomes an adopted sheet, and elements whose `style` attribute is set through
 * the CSSOM. Checked against xterm 6.0 (DomRenderer, DomRendererRowFactory, Viewport).
 */

/** The document to hand to xterm as `documentOverride`. */
export function strictDocument(real: Document): Document {
  return new Proxy(real, {
    get(target, property) {
      if (property === 'createElement') return (name: string) => createElement(target, name);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Runs `open` while the real document itself gives stand-ins for <style>: Viewport does not use the override. */
export function withStrictStyles(real: Document, open: () => void): void {
  const shadow = (name: string) => createElement(real, name);
  Object.defineProperty(real, 'createElement', { value: shadow, configurable: true });
  try {
    open();
  } finally {
    // The own property hid the prototype's method; without it that is back.
    Reflect.deleteProperty(real, 'createElement');
  }
}

function createElement(real: Document, name: string): HTMLElement {
  const element = Document.prototype.createElement.call(real, name === 'style' ? 'template' : name);
  if (name === 'style') sheetBehind(element, real);
  else if (name === 'span') styleThroughCssom(element);
  return element;
}

/** Makes the element's text a sheet of the document for as long as the element is there. */
function sheetBehind(element: HTMLElement, real: Document): void {
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
}

function styleThroughCssom(element: HTMLElement): void {
  element.setAttribute = (name, value) => {
    if (name === 'style') element.style.cssText = value;
    else Element.prototype.setAttribute.call(element, name, value);
  };
}
