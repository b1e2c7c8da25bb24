// The filter and the ticks belong to this tab, and outlive each new drawing of the list.
const ticked = new Set();
let wanted = '', all = false, asking;

function applied() {
  const field = element.querySelector('[data-find]');
  if (!field) return;
  if (field !== document.activeElement) field.value = wanted;
  const more = element.querySelector('[data-all]'), found = wanted.toLowerCase();
  if (all || found) {
    for (const row of element.querySelectorAll('tbody tr')) row.hidden = !row.textContent.toLowerCase().includes(found);
  }
  if (more) more.hidden = all || found;
  const boxes = [...element.querySelectorAll('input[data-tick]')];
  for (const box of boxes) box.checked = ticked.has(box.dataset.tick);
  for (const name of ticked) if (!boxes.some(box => box.dataset.tick === name)) ticked.delete(name);
}

element.addEventListener('input', event => {
  if (!event.target.matches('[data-find]')) return;
  wanted = event.target.value;
  all ||= !wanted; // who emptied the field has seen them all
  applied();
});
element.addEventListener('click', event => {
  if (!event.target.closest('[data-all]')) return;
  all = true;
  applied();
});
element.addEventListener('change', event => {
  const {tick} = event.target.dataset;
  if (!tick) return;
  event.target.checked ? ticked.add(tick) : ticked.delete(tick);
  clearTimeout(asking);
  asking = setTimeout(() => trigger('compare', {runs: [...ticked]}), 300);
});
watch('value', applied);
