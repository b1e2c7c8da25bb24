// Selecting photos: click or tap, shift-click, a box drawn with the mouse, arrow keys and Space.
const spots = (a, b) => order.slice(Math.min(a, b), Math.max(a, b) + 1);

function move(place, extend) {
  cursor = Math.max(0, Math.min(order.length - 1, place));
  if (extend) for (const photo of spots(anchor, cursor)) chosen.add(photo);
  else anchor = cursor;
  const top = Math.floor(cursor / columns) * (side + GAP);
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + side > box.scrollTop + box.clientHeight) box.scrollTop = top + side - box.clientHeight;
  draw();
  box.setAttribute('aria-activedescendant', `photo-${order[cursor]}`);
  bar();
}

function toggle(place, range) {
  const photo = order[place];
  if (photo === undefined) return;
  if (range) for (const each of spots(anchor, place)) chosen.add(each);
  else if (!chosen.delete(photo)) chosen.add(photo);
  cursor = place;
  if (!range) anchor = place;
  paintAll();
  bar();
}

function clear() { chosen.clear(); paintAll(); bar(); }

let from = null; // where the mouse was pressed, and what was selected then
const spot = event => {
  const frame = box.getBoundingClientRect();
  return [event.clientX - frame.left, event.clientY - frame.top + box.scrollTop];
};
box.addEventListener('pointerdown', event => {
  if (event.button || event.pointerType !== 'mouse' || event.offsetX > box.clientWidth) return;
  from = {at: spot(event), before: new Set(chosen), drawn: false};
});
box.addEventListener('pointermove', event => {
  if (!from || !(event.buttons & 1)) return;
  const [x0, y0] = from.at, [x, y] = spot(event);
  if (!from.drawn && Math.hypot(x - x0, y - y0) < 6) return;
  if (!from.drawn) { from.drawn = true; box.setPointerCapture(event.pointerId); }
  const frame = box.getBoundingClientRect();
  if (event.clientY > frame.bottom - 24) box.scrollTop += 14;
  if (event.clientY < frame.top + 24) box.scrollTop -= 14;
  const [left, right, top, bottom] = [Math.min(x0, x), Math.max(x0, x), Math.min(y0, y), Math.max(y0, y)];
  Object.assign(part('band').style, {left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px`});
  part('band').hidden = false;
  chosen.clear();
  for (const photo of from.before) chosen.add(photo);
  const step = side + GAP;
  for (let row = Math.floor(top / step); row * step <= bottom; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const photo = order[row * columns + column];
      const touched = column * step < right && column * step + side > left && row * step + side > top;
      if (touched && photo !== undefined) chosen.add(photo);
    }
  }
  paintAll();
  bar();
});
for (const name of ['pointerup', 'pointercancel']) box.addEventListener(name, () => {
  part('band').hidden = true;
  if (from?.drawn) setTimeout(() => { from = null; }); // after the click that ends it
  else from = null;
});
box.addEventListener('click', event => {
  const tile = event.target.closest('.shot');
  if (tile && !from?.drawn) toggle(Number(tile.dataset.place), event.shiftKey);
});
box.addEventListener('dragstart', event => event.preventDefault());

const STEPS = {ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: () => columns, ArrowUp: () => -columns,
  PageDown: () => columns * 4, PageUp: () => -columns * 4, Home: () => -cursor, End: () => order.length};
box.addEventListener('keydown', event => {
  const command = event.ctrlKey || event.metaKey;
  if (STEPS[event.key] && !command) move(cursor + STEPS[event.key](), event.shiftKey);
  else if (event.key === ' ') toggle(cursor, event.shiftKey);
  else if (command && event.key.toLowerCase() === 'a') { for (const photo of order) chosen.add(photo); paintAll(); bar(); }
  else if (command && event.key === 'Enter') presize.enlarge(order[cursor]);
  else if (event.key === 'Escape') clear();
  else if (event.key === 'Delete' && chosen.size) leaveOut();
  else if (event.key === 'Enter' && chosen.size && suggested()) give();
  else if (event.key === '+' && like.length) addAlike();
  else if (event.key === 'Enter' || (event.key.length === 1 && !command && !event.altKey)) {
    if (!chosen.size) toggle(cursor, false);
    part('label').focus(); // the letter is typed into it
    if (event.key === 'Enter') event.preventDefault();
    return;
  } else return;
  event.preventDefault();
});
box.addEventListener('focus', () => { if (order.length) box.setAttribute('aria-activedescendant', `photo-${order[cursor]}`); });
