// Group by group: photos that look alike are shown alone and selected; when they have a label, the next ones follow.
const declined = new Set(); // photos that did not belong to their group

async function nextGroup() {
  const found = await server.group({key: list.key, photos: [...declined]})
    .catch(() => ({error: 'The app does not answer; try again.'}));
  if (found.error) return say(found.error);
  group = new Set(found.photos);
  likely = found.likely;
  part('set').value = '0';
  part('sort').value = 'name';
  if (mapped) toMap(false);
  show(group.size ? '~' : 'all');
  if (group.size) return box.focus({preventScroll: true});
  declined.clear();
  part('next').focus({preventScroll: true});
}

let goesOn = () => {};
const REST = 800;
function rest(button) { // who presses Label them twice is not to start a training
  button.disabled = true;
  setTimeout(() => { button.disabled = false; }, REST);
}
function offerNext() { // the one button for what a person does next
  const open = list.names.some((_, photo) => FILTERS.none(photo)), changed = list.flags.some(flags => flags & CHANGED);
  const train = changed && list.vocab.length > 1 ? 'Start training' : '', label = list.likeness ? 'Label group by group' : '';
  const said = chosen.size || renaming ? '' : open ? label : train;
  if (said && said === train && part('next').textContent !== said) rest(part('next'));
  part('next').hidden = !said;
  part('give').hidden = said !== '';
  part('next').textContent = said;
  goesOn = open ? nextGroup : () => trigger('train', {});
}
part('next').addEventListener('click', () => goesOn());
