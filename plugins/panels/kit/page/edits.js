// Buttons that start training wait for edits without an answer, and for fields whose value was refused.
Object.assign(presize, {
  edits: 0, // of the recipe, without an answer yet
  asked: [], // their options
  start: null, // the button that is pressed once they are answered
  last: null, // the last edit, and the element that had the focus
  edited(said) {
    presize.edits -= 1;
    const option = presize.asked.shift();
    requestAnimationFrame(presize.refocus);
    if (said) {
      presize.start = null;
      presize.refused(document.querySelector(`[data-path="${option}"]`), said);
    }
    if (presize.edits || !presize.start) return;
    const button = presize.start;
    presize.start = null;
    button.click();
  },
  refused(field, said) { // the reason stands beside the field, in place of a message
    if (!field) return;
    field.setCustomValidity(new DOMParser().parseFromString(said, 'text/html').querySelector('p').textContent);
    presize.explain(field);
    requestAnimationFrame(() => document.querySelector('#message .said')?.remove());
  },
  explain(field) {
    const why = field.parentElement.querySelector('.why') ?? document.createElement('em');
    why.className = 'why';
    why.textContent = field.validationMessage;
    if (!why.textContent) return why.remove();
    if (!why.isConnected) field.after(why);
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
    const folds = ':has(> button.label-wrap)';
    for (let box = field.closest(folds); box; box = box.parentElement.closest(folds)) {
      box.querySelector(':scope > button.label-wrap:not(.open)')?.click();
    }
    presize.explain(field);
    requestAnimationFrame(() => field.focus());
  },
});

// Buttons that move plugins in a list wait too, because an edit names its plugin by the position in the list.
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
