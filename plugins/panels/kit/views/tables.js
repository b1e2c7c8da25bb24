// A press on a heading sorts its table, another turns the order around; fields above a table hide some of its rows.
const orders = new Map(); // by the table's place in this view: the column, and whether it descends
const tables = () => [...element.querySelectorAll('table')];
const figure = cell => {
  const text = (cell.dataset.value ?? cell.textContent).trim(), number = parseFloat(text.replaceAll(',', ''));
  return Number.isNaN(number) ? text : number;
};
function compare(a, b) {
  if (typeof a === typeof b) return typeof a === 'number' ? a - b : a.localeCompare(b);
  return typeof a === 'number' ? 1 : -1; // what has no figure comes first
}
function sort(table, {column, down}) {
  const rows = [...table.tBodies[0].rows].map(row => [figure(row.cells[column]), row]);
  rows.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    if (head.hasAttribute('aria-sort')) head.setAttribute('aria-sort', i !== column ? 'none' : down ? 'descending' : 'ascending');
  });
}
element.addEventListener('click', event => {
  const head = event.target.closest('th:has(> [data-sort])');
  if (!head) return;
  const table = head.closest('table');
  const order = {column: head.cellIndex, down: head.getAttribute('aria-sort') === 'ascending'};
  orders.set(tables().indexOf(table), order);
  sort(table, order);
});
function filter() {
  const box = element.querySelector('[data-filters]');
  if (!box) return;
  const text = box.querySelector('[type=search]').value.trim().toLowerCase();
  const kind = box.querySelector('select').value, most = Number(box.querySelector('[type=number]').value || 100);
  let shown = 0;
  for (const row of element.querySelectorAll('tr[data-kind]')) {
    row.hidden = !row.textContent.toLowerCase().includes(text)
      || (kind && !row.dataset.kind.split(' ').includes(kind)) || Number(row.dataset.confidence) > most;
    shown += !row.hidden;
  }
  box.querySelector('output').textContent = `${shown.toLocaleString('en')} shown`;
}
element.addEventListener('input', event => { if (event.target.closest('[data-filters]')) filter(); });
watch('value', () => { // drawn anew: in the order chosen before
  for (const [place, order] of orders) if (tables()[place]?.tHead?.querySelector('[data-sort]')) sort(tables()[place], order);
});
