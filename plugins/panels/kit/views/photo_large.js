// One photo, large; and thumbnails for other parts of the page.
const dialog = part('large');
document.body.append(dialog); // the page of the grid may not be the one shown
presize.enlarge = async photo => {
  const frame = dialog.querySelector('img');
  frame.removeAttribute('src');
  frame.alt = list.names[photo] ?? '';
  dialog.querySelector('p').textContent = `${list.names[photo] ?? ''} · ${labelOf(photo) || 'no label'}`;
  dialog.showModal();
  const {jpeg} = await server.large({key: list.key, photos: [photo]});
  if (jpeg) frame.src = `data:image/jpeg;base64,${jpeg}`;
};
dialog.addEventListener('click', () => dialog.close());
box.addEventListener('dblclick', event => {
  const tile = event.target.closest('.shot');
  if (tile) presize.enlarge(order[Number(tile.dataset.place)]);
});

let waiting = new Map(); // thumbnails wanted elsewhere, fetched together
presize.thumb = photo => new Promise(good => {
  if (thumbs.has(photo)) return good(thumbs.get(photo));
  if (!waiting.size) setTimeout(fetchWaiting, 30);
  waiting.set(photo, [...(waiting.get(photo) ?? []), good]);
});
async function fetchWaiting() {
  const wanted = [...waiting].slice(0, AT_ONCE);
  for (const [photo] of wanted) waiting.delete(photo);
  const {key} = list;
  let jpegs = [];
  if (key) try { ({jpegs = []} = await server.thumbs({key, photos: wanted.map(([photo]) => photo)})); } catch { /* drawn empty */ }
  wanted.forEach(([photo, all], i) => {
    const src = jpegs[i] ? `data:image/jpeg;base64,${jpegs[i]}` : '';
    if (key && key === list.key) thumbs.set(photo, src);
    for (const good of all) good(src);
  });
  if (waiting.size) fetchWaiting();
}
