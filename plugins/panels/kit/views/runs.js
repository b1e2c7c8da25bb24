// The filter and the ticks belong to this tab, and outlive each new drawing of the list.
const ticked = new Set();
let wanted = '', asking;

function applied() {
  const field = element.querySelector('[data-find]');
  if (!field) return;
  if (field !== document.activeElement) field.value = wanted;
  for (const row of element.querySelectorAll('tbody tr')) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted.toLowerCase());
  }
  const boxes = [...element.querySelectorAll('input[data-tick]')];
  for (const box of boxes) box.checked = ticked.has(box.dataset.tick);
  for (const name of ticked) if (!boxes.some(box => box.dataset.tick === name)) ticked.delete(name);
}

element.addEventListener('input', event => {
  if (!event.target.matches('[data-find]')) return;
  wanted = event.target.value;
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
