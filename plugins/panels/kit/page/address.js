// Each page and run has an address, such as #results/RUN, so that Back and Forward walk through them.
Object.assign(presize, {
  run: '', // the selected run
  visit: null, // asks the app for another run
  wished() {
    const [page, run] = decodeURIComponent(location.hash.slice(1)).split('/');
    return {page, run};
  },
  record(push) {
    const name = document.body.dataset.page;
    const run = presize.run && document.querySelector(`#page-${name} .of-run`) ? `/${encodeURIComponent(presize.run)}` : '';
    if (location.hash !== `#${name}${run}`) history[push ? 'pushState' : 'replaceState'](null, '', `#${name}${run}`);
    presize.name();
  },
  name() {
    const step = document.querySelector(`#rail [data-go="${document.body.dataset.page}"] b`)?.textContent;
    document.title = [presize.progress || step, 'Presize'].filter(Boolean).join(' · ');
  },
  placed({run, progress}, visit) { // the app says which run is selected, and how far one is that trains
    const first = !presize.visit, before = presize.run, wish = presize.wished().run;
    Object.assign(presize, {run, progress, visit});
    if (first && wish && wish !== run) presize.visit(wish);
    else presize.record(before !== run && presize.looked);
    presize.looked = false;
  },
});

document.addEventListener('click', event => {
  if (event.target.closest('[data-do="look"]')) presize.looked = true;
}, true);

for (const moved of ['popstate', 'hashchange']) {
  window.addEventListener(moved, () => {
    const {page, run} = presize.wished();
    if (!presize.show(page)) return;
    if (run && run !== presize.run) presize.visit?.(run);
    presize.name();
  });
}
