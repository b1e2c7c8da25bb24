// Pictures of the findings come from the grid of photos; one tab is shown at a time; a click enlarges a photo.
let shown = '', of = '';  // at first, and with other photos, the tab that has findings

function settle() {
  const lists = [...element.querySelectorAll('[data-list]')];
  const now = element.querySelector('[data-of]')?.dataset.of ?? '';
  if (now !== of) [of, shown] = [now, ''];
  shown ||= lists.find(list => list.querySelector('li'))?.dataset.list ?? '';
  const open = shown || '0';
  for (const tab of element.querySelectorAll('[data-tab]')) {
    const on = String(tab.dataset.tab === open);
    if (tab.getAttribute('aria-selected') !== on) tab.setAttribute('aria-selected', on);
  }
  for (const list of lists) if (list.hidden !== (list.dataset.list !== open)) list.hidden = list.dataset.list !== open;
  for (const place of element.querySelectorAll('.large')) {
    if (place.dataset.drawn === place.dataset.photo || place.closest('[hidden]')) continue;
    place.dataset.drawn = place.dataset.photo;
    presize.thumb?.(Number(place.dataset.photo)).then(src => { place.style.backgroundImage = src ? `url("${src}")` : ''; });
  }
}
new MutationObserver(settle).observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-photo']});
element.addEventListener('click', event => {
  const tab = event.target.closest('[data-tab]'), large = event.target.closest('.large');
  if (event.target.closest('li [data-do]')) event.target.closest('li').animate([{opacity: 1}, {opacity: .3}], 700); // heard
  if (tab) { shown = tab.dataset.tab; settle(); }
  if (large) presize.enlarge?.(Number(large.dataset.photo));
});
settle();
