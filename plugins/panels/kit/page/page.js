// One page per step: the body names the current one, and style.css shows it.
window.presize = {
  go(name) {
    if (!document.getElementById(`page-${name}`)) return;
    document.body.dataset.page = name;
    history.replaceState(null, '', `#${name}`);
    presize.mark();
    window.scrollTo({top: 0});
  },
  mark() {
    for (const step of document.querySelectorAll('#rail .step')) {
      const current = step.dataset.go === document.body.dataset.page ? 'step' : 'false';
      if (step.getAttribute('aria-current') !== current) step.setAttribute('aria-current', current);
    }
  },
  edits: 0, // edits of the recipe without an answer yet
  start: null, // the button that is pressed once they are answered
  last: null, // the last edit, and the element that had the focus
  edited(refusal) {
    presize.edits -= 1;
    requestAnimationFrame(presize.refocus);
    if (refusal) presize.start = null;
    if (presize.edits || !presize.start) return;
    const button = presize.start;
    presize.start = null;
    button.click();
  },
  refocus() { // move the focus to what has replaced a field or button
    const {data, focused} = presize.last ?? {};
    if (presize.edits || !focused || focused.checkVisibility()) return;
    const place = document.querySelector(`[data-place="${data.focus}"]`);
    const same = place?.querySelector(`[data-do="${data.do}"][data-option="${data.focus}"]:enabled`);
    (same ?? place ?? document.querySelector(`[data-path="${data.option}"]`))?.focus();
    presize.last = null;
  },
  showField(field) {
    presize.go(field.closest('.page').id.slice('page-'.length));
    for (let box = field.closest('details'); box; box = box.parentElement.closest('details')) box.open = true;
    if (!field.offsetParent) field.closest('.page').querySelector('button.label-wrap:not(.open)')?.click();
    requestAnimationFrame(() => field.reportValidity());
  },
  dark(on) {
    document.body.classList.toggle('dark', on);
    localStorage.setItem('presize-dark', on ? '1' : '0');
  },
};

// Buttons that start training wait for invalid fields and unanswered edits. Buttons that move plugins in a list wait
// for unanswered edits too, because an edit names its plugin by the position in the list.
document.addEventListener('click', event => {
  const button = event.target.closest('button.starts, button[data-option]');
  if (!button || button.disabled) return;
  if (document.activeElement.matches('[data-path]')) document.activeElement.blur();
  const starts = button.matches('.starts');
  const wrong = starts && [...document.querySelectorAll('[data-path]')].find(field => !field.checkValidity());
  if (!wrong && !presize.edits) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (wrong) presize.showField(wrong);
  else presize.start = button;
}, true);

document.addEventListener('click', event => {
  const go = event.target.closest('[data-go]');
  if (go && !go.disabled) presize.go(go.dataset.go);
  const show = event.target.closest('[data-show]');
  if (show) document.getElementById(show.dataset.show).scrollIntoView({block: 'start'});
  if (event.target.closest('[data-close]')) event.target.closest('.said').remove();
  if (event.target.closest('[data-dark]')) presize.dark(!document.body.classList.contains('dark'));
});

window.addEventListener('hashchange', () => presize.go(location.hash.slice(1)));

new MutationObserver((_, observer) => {
  const first = document.querySelector('[id^="page-"]');
  if (!first) return;
  observer.disconnect();
  const wish = document.getElementById(`page-${location.hash.slice(1)}`) || first;
  document.body.dataset.page = wish.id.slice('page-'.length);
  const stored = localStorage.getItem('presize-dark');
  if (stored) presize.dark(stored === '1');
  new MutationObserver(presize.mark).observe(document.body, {childList: true, subtree: true});
  presize.mark();
}).observe(document.documentElement, {childList: true, subtree: true});
