// Pictures of the findings come from the grid of photos; one tab is shown at a time; a click enlarges a photo.
let shown = '0';

function settle() {
  for (const tab of element.querySelectorAll('[data-tab]')) {
    const on = String(tab.dataset.tab === shown);
    if (tab.getAttribute('aria-selected') !== on) tab.setAttribute('aria-selected', on);
  }
  for (const list of element.querySelectorAll('[data-list]')) if (list.hidden !== (list.dataset.list !== shown)) list.hidden = list.dataset.list !== shown;
  for (const place of element.querySelectorAll('.large')) {
    if (place.dataset.drawn === place.dataset.photo || place.closest('[hidden]')) continue;
    place.dataset.drawn = place.dataset.photo;
    presize.thumb?.(Number(place.dataset.photo)).then(src => { place.style.backgroundImage = src ? `url("${src}")` : ''; });
  }
}
function starts(button) { // two clicks are one run; it stays so until the page goes on, or says why not
  const {textContent} = button;
  button.disabled = true;
  button.textContent = 'Starting the training';
  const back = () => { button.disabled = false; button.textContent = textContent; };
  const refused = new MutationObserver(() => { if (document.querySelector('#message [role=alert]')) end(); });
  const late = setTimeout(() => end(), 60000);
  const end = () => { refused.disconnect(); clearTimeout(late); back(); };
  refused.observe(document.querySelector('#message'), {childList: true, subtree: true});
}
new MutationObserver(settle).observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-photo']});
element.addEventListener('click', event => {
  const tab = event.target.closest('[data-tab]'), large = event.target.closest('.large');
  const again = event.target.closest('[data-do=again]');
  if (again) starts(again);
  if (event.target.closest('li [data-do]')) event.target.closest('li').animate([{opacity: 1}, {opacity: .3}], 700); // heard
  if (tab) { shown = tab.dataset.tab; settle(); }
  if (large) presize.enlarge?.(Number(large.dataset.photo));
});
settle();
