// The chips and the bar: filter, label, leave out, rename, undo and redo.
let later = 0, last = Promise.resolve();

function tell(what) { // one at a time, in the order of the keys
  const asked = {key: list.key, photos: [...chosen], ...what};
  for (const photo of asked.photos) chosen.delete(photo);
  typed.value = '';
  paintAll();
  bar();
  last = last.then(() => send({...asked, token: list.token}));
}

async function send(asked) {
  let error = 'That was not saved, as the app does not answer; try again.';
  try {
    const news = await server.say(asked);
    error = news.error;
    if (!error) {
      say(news.said);
      take(news);
      if (filter === '~') await nextGroup();
      clearTimeout(later);
      later = setTimeout(() => trigger('changed', {}), 700); // the page counts again once a person pauses
    }
  } catch { /* said below */ }
  if (!error) return;
  say(error);
  for (const photo of asked.photos) chosen.add(photo);
  paintAll();
  bar();
}

function give() {
  if (renaming) return rename();
  if (!chosen.size) return say(FINGER.matches ? 'Select photos first: tap them.' : 'Select photos first: click them, or press Space.');
  const label = typed.value.trim() || guess();
  if (!label) { typed.focus(); return say('Type a label first.'); }
  if (filter === '~') for (const photo of group) if (!chosen.has(photo)) declined.add(photo);
  tell({do: 'label', label});
  box.focus({preventScroll: true});
}

function leaveOut() {
  if (chosen.size) tell({do: [...chosen].every(isOut) ? 'take_back' : 'leave_out'});
}

const FINGER = window.matchMedia('(hover: none) and (pointer: coarse)');
const guess = () => filter === '~' ? likely : shared(hintOf);
const suggested = () => filter === '~' ? likely : filter.startsWith('?') && filter.slice(1); // what Enter stands for
const shared = of => { const found = new Set([...chosen].map(of)); return found.size === 1 ? [...found][0] : ''; };

let renaming = '';
function rename() {
  const label = typed.value.trim(), old = renaming;
  renaming = '';
  bar();
  if (!label || label === old) return;
  if (list.vocab.includes(label) && !window.confirm(`Merge the label ${old} into ${label}? This can be undone.`)) return;
  filter = `=${label}`;
  tell({do: 'rename', old, label, photos: []});
}

function bar() {
  const n = chosen.size, hint = guess(), is = suggested();
  part('bar').classList.toggle('on', n > 0 || renaming !== '');
  part('count').textContent = renaming ? `Rename ${renaming}` : n ? `${n.toLocaleString('en')} selected` : list.names.some((_, photo) => FILTERS.none(photo))
    ? 'Nothing selected' : 'All are labelled';
  typed.placeholder = renaming ? 'Its new name' : hint ? `${hint}?` : 'Label';
  part('give').textContent = renaming ? 'Rename it' : n === 1 ? 'Label it' : 'Label them';
  part('out').textContent = n && [...chosen].every(isOut) ? 'Use again' : 'Leave out';
  part('out').hidden = renaming !== '' || !n;
  part('clear').textContent = n || renaming ? 'Clear' : 'Select all';
  part('rename').hidden = !filter.startsWith('=');
  const [pick, enter] = FINGER.matches ? ['tap', 'press Label them'] : ['click', 'press Enter'];
  const how = is ? `${pick} those that are not ${is}, then ${enter}.`
    : mapped ? `draw around photos, type what they show, ${enter}. A red ! marks labels that may be wrong.`
    : filter === '~' ? `these look alike: ${pick} those that do not belong, type what the others show, ${enter}.`
      : `${pick} photos that show the same, type what it is, ${enter}; double-${pick} one to see it large.`;
  part('how').textContent = `${how[0].toUpperCase()}${how.slice(1)} Your files are not changed.${
    list.looking && !list.likeness ? ' Comparing the photos, to suggest labels.' : ''}`;
  offerNext();
  askAlike();
}

let like = [], asking = 0; // photos that look like those selected
function askAlike() {
  clearTimeout(asking);
  like = [];
  part('more').hidden = true;
  if (!list.likeness || !chosen.size || filter === '~' || !list.labels.includes(-1)) return;
  asking = setTimeout(async () => {
    const {photos = []} = await server.alike({key: list.key, photos: [...chosen].slice(0, 500)}).catch(() => ({}));
    like = photos.filter(photo => !chosen.has(photo));
    part('more').hidden = !like.length;
    part('more').textContent = `${like.length} more like ${chosen.size === 1 ? 'this' : 'these'}?`;
  }, 250);
}
function addAlike() {
  for (const photo of like) if (fits(photo)) chosen.add(photo);
  paintAll();
  bar();
  box.focus({preventScroll: true});
}
part('more').addEventListener('click', addAlike);

function controls() {
  const counts = new Map();
  const figures = {all: 0, none: 0, out: 0, changed: 0, bad: 0, '~': 0};
  const sets = [0, 0, 0], hints = new Map();
  list.names.forEach((_, photo) => {
    for (const name of Object.keys(figures)) figures[name] += FILTERS[name](photo);
    if (!isOut(photo)) counts.set(list.labels[photo], (counts.get(list.labels[photo]) ?? 0) + 1);
    sets[list.sets[photo]] += 1;
    if (hinted(photo)) hints.set(hinted(photo), (hints.get(hinted(photo)) ?? 0) + 1);
  });
  const words = {all: 'All', '~': 'Alike', none: 'No label', out: 'Left out', changed: 'Changed by you', bad: 'Cannot be read'};
  const chips = Object.entries(figures).filter(([name, n]) => name === 'all' || (n && (name !== '~' || filter === '~'))).map(([name, n]) => chip(name, words[name], n));
  const labels = list.vocab.map((label, i) => [`=${label}`, label, counts.get(i) ?? 0]);
  if (labels.length <= MOST_CHIPS) chips.splice(figures.none ? 2 : 1, 0, ...labels.map(each => chip(...each)));
  else chips.push(menu(labels));
  if (hints.size <= MOST_CHIPS) chips.push(...[...hints].map(([label, n]) => chip(`?${label}`, `${label}?`, n)));
  part('chips').replaceChildren(...chips);
  part('known').replaceChildren(...list.vocab.map(label => Object.assign(document.createElement('option'), {value: label})));
  if (mapped && !list.map) toMap(false);
  offer(part('set'), [['0', 'All photos'], ['1', `Training ${sets[1].toLocaleString('en')}`], ['2', `Validation ${sets[2].toLocaleString('en')}`]]);
  offer(part('sort'), [['name', 'By name'], ['label', 'By label'], ...(list.likeness ? [['likeness', 'By likeness']] : []), ...(list.doubt ? [['doubt', 'By doubt']] : [])]);
}

function chip(name, text, n) {
  const found = Object.assign(document.createElement('button'), {type: 'button', className: `chip ${name.startsWith('?') ? 'maybe' : name}`});
  found.dataset.filter = name;
  found.setAttribute('aria-pressed', filter === name);
  if (mapped && name.startsWith('=')) found.style.borderColor = colour(list.vocab.indexOf(text));
  found.append(`${text} `, Object.assign(document.createElement('i'), {textContent: n.toLocaleString('en')}));
  return found;
}

function menu(labels) {
  const found = Object.assign(document.createElement('select'), {className: 'chip'});
  found.setAttribute('aria-label', 'Label');
  offer(found, [['all', `${labels.length} labels`], ...labels.map(([name, label, n]) => [name, `${label} ${n.toLocaleString('en')}`])]);
  found.value = filter.startsWith('=') ? filter : 'all';
  found.addEventListener('change', () => show(found.value));
  return found;
}

function offer(select, choices) {
  const before = select.value;
  select.replaceChildren(...choices.map(([value, text]) => Object.assign(document.createElement('option'), {value, textContent: text})));
  if (choices.some(([value]) => value === before)) select.value = before;
}

function show(name) {
  filter = name;
  renaming = '';
  box.scrollTop = 0;
  cursor = anchor = 0;
  chosen.clear();
  controls();
  arrange();
  if (!name.startsWith('?') && name !== '~') return;
  for (const photo of order) chosen.add(photo);
  paintAll();
  bar();
}

part('chips').addEventListener('click', event => {
  const name = event.target.closest('[data-filter]')?.dataset.filter;
  if (!name) return;
  show(name);
  if (name.startsWith('?')) return part('give').focus({preventScroll: true});
  [...part('chips').querySelectorAll('[data-filter]')].find(each => each.dataset.filter === name)?.focus();
});
for (const name of ['set', 'sort']) part(name).addEventListener('change', () => { box.scrollTop = 0; arrange(); });
part('give').addEventListener('click', give);
part('out').addEventListener('click', leaveOut);
part('clear').addEventListener('click', () => {
  if (!chosen.size && !renaming) for (const photo of order) chosen.add(photo);
  else chosen.clear();
  renaming = '';
  typed.value = '';
  paintAll();
  bar();
  box.focus({preventScroll: true});
});
part('undo').addEventListener('click', () => tell({do: 'undo', photos: []}));
part('redo').addEventListener('click', () => tell({do: 'redo', photos: []}));
part('rename').addEventListener('click', () => { renaming = filter.slice(1); typed.value = renaming; bar(); typed.select(); });
typed.addEventListener('keydown', event => {
  if (event.key === 'Enter') { event.preventDefault(); give(); }
  if (event.key === 'Escape') { renaming = ''; typed.value = ''; bar(); box.focus({preventScroll: true}); }
});
element.ownerDocument.addEventListener('keydown', event => {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || (key !== 'z' && key !== 'y') || !part('bar').offsetParent) return;
  if (event.target.matches('input, textarea, [contenteditable=true]') && event.target.value !== '') return;
  event.preventDefault();
  tell({do: event.shiftKey || key === 'y' ? 'redo' : 'undo', photos: []});
});
presize.photosChanged = () => refresh();
refresh();
