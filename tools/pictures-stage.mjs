// Where the README's pictures are put together: screens as a desk and a phone show them, with what happens in words.
const SIZE = { width: 800, height: 560 };
const STEPS = ['Click', 'Work', 'The lid is shut', 'Come back on the phone'];

const STYLE = `
  * { box-sizing: border-box; margin: 0; }
  body { background: #e9eef4; font: 15px 'DejaVu Sans', sans-serif; overflow: hidden; }
  img { display: block; }
  .desk { position: absolute; left: 40px; top: 12px; border: 8px solid #20262e; border-radius: 10px; width: 720px; }
  .desk img { width: 704px; height: 466px; }
  .shut img { opacity: .28; filter: grayscale(1); }
  .phone { position: absolute; border: 9px solid #20262e; border-radius: 22px; overflow: hidden; }
  .lying { left: 11px; top: 64px; width: 778px; height: 368px; } .lying img { width: 760px; height: 350px; }
  .upright { left: 285px; top: 8px; width: 230px; height: 480px; } .upright img { width: 212px; height: 462px; }
  ol { position: absolute; inset: auto 0 16px; display: flex; gap: 10px; justify-content: center; padding: 0; }
  li { list-style: none; padding: 7px 14px; border-radius: 16px; color: #66717f; background: #dbe2ea; }
  li.now { color: #fff; background: #1f5f8b; }
  svg { position: absolute; width: 22px; height: 22px; }
  .pair { display: flex; gap: 36px; align-items: center; justify-content: center; height: 100%; }
  .pair .phone { position: static; }
`;
const POINTER = '<path d="M3 1l15 13-7 1 4 7-3 1-4-7-5 5z" fill="#111" stroke="#fff" stroke-width="1.4"/>';

const source = (png) => `data:image/png;base64,${png.toString('base64')}`;

/** Gives what makes one picture of a scene: a `desk` or a `phone` with a `step`, or two `phones`. All PNG files. */
export async function composer(browser) {
  const page = await browser.newPage({ viewport: SIZE });
  return async (scene) => {
    const isPair = scene.phones !== undefined;
    const size = isPair ? { width: 1280, height: 600 } : SIZE;
    await page.setViewportSize(size);
    const body = isPair ? pairOf(scene.phones) : sceneOf(scene);
    await page.setContent(`<style>${STYLE} body { width: ${size.width}px; height: ${size.height}px }</style>${body}`);
    await page.evaluate('Promise.all([...document.images].map((image) => image.decode()))');
    return await page.screenshot();
  };
}

function sceneOf({ desk, phone, isShut, isUpright, pointer, step }) {
  const steps = STEPS.map((words, at) => `<li${at === step ? ' class="now"' : ''}>${words}</li>`).join('');
  const screen =
    desk === undefined
      ? `<div class="phone ${isUpright ? 'upright' : 'lying'}"><img src="${source(phone)}"></div>`
      : `<div class="desk${isShut ? ' shut' : ''}"><img src="${source(desk)}"></div>`;
  const scale = 704 / 1280;
  const arrow =
    pointer === undefined
      ? ''
      : `<svg style="left:${48 + pointer.x * scale}px;top:${20 + pointer.y * scale}px" viewBox="0 0 22 22">${POINTER}</svg>`;
  return `${screen}${arrow}<ol>${steps}</ol>`;
}

function pairOf([upright, lying]) {
  const phone = (png, width, height) =>
    `<div class="phone"><img style="width:${width}px;height:${height}px" src="${source(png)}"></div>`;
  return `<div class="pair">${phone(upright, 254, 550)}${phone(lying, 860, 397)}</div>`;
}
