// Sets light or dark before the first paint. A file of its own, because the content security policy refuses inline
// scripts; classic and not deferred, because a module would run after the page had flashed.
(() => {
  let choice = 'system';
  try {
    choice = localStorage.getItem('oriel.theme') || 'system';
  } catch {
    // Storage is off: follow the system.
  }
  const dark = choice === 'dark' || (choice === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.classList.toggle('pf-v6-theme-dark', dark);
})();
