"""A type for safe HTML, into which plain text is escaped, the component that shows it, and common elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

CERTAIN = 0.995  # confidence above which only "over 99%" is said

_alerts = count(1)


class Html(Markup):
    """HTML; anything formatted, joined or added into it is escaped unless it is `Html` too."""

    @classmethod
    def escape(cls, value: Any) -> Html:
        """Escape any value; a lone surrogate, as in a broken file name, becomes a question mark."""
        if isinstance(value, cls):
            return value
        text = value if hasattr(value, "__html__") else str(value).encode(errors="replace").decode()
        return cls(super().escape(text))


# gradio's own drawing visits every node, also those that stay as they are
DRAWS = "const draw = () => presize.draw(element.firstElementChild, props.value); watch('value', draw); draw();"
# Elements with data-do report a click with all of their data-*; they are buttons, so the keyboard works too.
DELEGATE = """
const edit = (data, kind = 'edit') => {
  presize.edits += 1;
  presize.asked.push(data.do ? '' : data.option); // a button has no value to be corrected
  presize.last = {data, focused: document.activeElement};
  trigger(kind, data);
};
element.addEventListener('click', event => {
  const found = event.target.closest('[data-do]');
  if (found && element.contains(found) && !found.disabled) {
    if (found.dataset.confirm && !window.confirm(found.dataset.confirm)) return;
    if (found.dataset.with) found.dataset.value = element.querySelector(found.dataset.with).value;
    if ('option' in found.dataset) edit({...found.dataset}, 'select');
    else if (found.dataset.do === 'edit') edit({...found.dataset});
    else trigger(['open', 'save', 'again'].includes(found.dataset.do) ? found.dataset.do : 'click', {...found.dataset});
    return;
  }
  const chart = event.target.closest('svg.pick');
  if (!chart) return;
  const box = chart.getBoundingClientRect(), {left, right, low, high} = chart.dataset;
  const share = ((event.clientX - box.left) / box.width - left) / (right - left);
  if (share >= 0 && share <= 1) edit({
    x: 'log' in chart.dataset ? low * (high / low) ** share : +low + (high - low) * share,
  });
});
// not named `path`, which gradio would treat as a file
const told = field => ({
  option: field.dataset.path,
  value: field.type === 'checkbox' ? String(field.checked) : field.value,
});
element.addEventListener('change', event => {
  const option = event.target.closest('[data-path]');
  if (!option) return;
  option.setCustomValidity('');
  presize.explain(option);
  if (option.checkValidity()) edit(told(option), 'choose' in option.dataset ? 'select' : 'edit');
});
let waiting;
element.addEventListener('input', event => {
  if (event.target.type !== 'text' || !event.target.dataset.path) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => trigger('typed', told(event.target)), 200);
});
// what has data-ask reports itself as soon as a person sees it, or `data-after` seconds later
const sight = new IntersectionObserver(entries => {
  for (const {isIntersecting, target} of entries) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    const ask = () => target.isConnected && 'ask' in target.dataset && trigger('ask', {...target.dataset});
    'after' in target.dataset ? setTimeout(ask, 1000 * target.dataset.after) : ask();
  }
});
const look = () => element.querySelectorAll('[data-ask]').forEach(found => sight.observe(found));
watch('value', look);
look();
"""

SCROLLS = Html(' tabindex="0" role="group" aria-label="Table"')  # else the keyboard cannot scroll what has no buttons
SORTS = Html('<th scope="col" aria-sort="none"><button type="button" data-sort>{}</button></th>')
TABLES = (Path(__file__).parent / "tables.js").read_text(encoding="utf-8")


def view(elem_id: str, value: str = "", label: str = "", script: str = "", **options: Any) -> gr.HTML:
    """A component for HTML of this package, with more JavaScript if given; each of its events carries a dictionary.

    `click` has the data-* of what was clicked, as have `open` (a photo), `save` (a figure), `again` (training) and
    `ask` (what was not clicked, but came into sight); `select` (another plugin), `edit` (an option) and `typed` (text
    being typed) have the path of an `option` in the recipe, and a `value`; `select` in a list of plugins has what to
    `do`; `edit` from a click on a chart has `x`.
    """
    attributes = Html(' role="region" aria-label="{}"').format(label) if label else ""
    template = f"<div{attributes}></div>"
    scripts = DRAWS + DELEGATE + TABLES + script
    return gr.HTML(value, html_template=template, js_on_load=scripts, elem_id=elem_id, **options)


def card(title: str, body: str, note: str = "") -> Html:
    """A box with an optional title and note."""
    head = Html("<h2>{}</h2>").format(title) if title else ""
    remark = Html('<p class="note">{}</p>').format(note) if note else ""
    return Html('<section class="card">{}{}{}</section>').format(head, remark, body)


def figures(cells: Iterable[tuple[str, str, str]]) -> Html:
    """A row of key figures, each (name, value, note)."""
    box = Html('<div class="figure"><span>{}</span><b>{}</b><small>{}</small></div>')
    return Html('<div class="figures">{}</div>').format(joined(box.format(*cell) for cell in cells))


def bars(rows: Iterable[tuple[str, float, str]]) -> Html:
    """A bar chart of rows (name, share from 0 to 1, figure)."""
    line = Html(
        '<li><span title="{name}">{name}</span><i><em style="width:{percent:.1f}%"></em></i><b>{figure}</b></li>'
    )
    lines = (
        line.format(name=name, percent=100 * min(1.0, max(0.0, share)), figure=figure) for name, share, figure in rows
    )
    return Html('<ul class="bars">{}</ul>').format(joined(lines))


def table_row(cells: Iterable[str], hidden: bool = False) -> Html:
    """A row of a table, of cells that are text or HTML."""
    return Html("<tr hidden><td>" if hidden else "<tr><td>") + Html("</td><td>").join(cells) + Html("</td></tr>")


def table(header: Sequence[str], rows: Iterable[Html | Sequence[str]], caption: str = "", sorts: bool = False) -> Html:
    """A table of rows, each drawn already or its cells; with `sorts`, a press on a heading sorts it, in the browser."""
    heading = SORTS if sorts else Html('<th scope="col">{}</th>')
    head = joined(heading.format(name) for name in header)
    body = joined(row if isinstance(row, Html) else table_row(row) for row in rows)
    title = Html("<caption>{}</caption>").format(caption) if caption else ""
    return Html('<div class="scroll"{}><table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        Html("") if sorts else SCROLLS, title, head, body
    )


def button(label: str, do: str, data: Mapping[str, object] | None = None, kind: str = "", off: str = "") -> Html:
    """A button that its view reports as a click, with `do` and `data`; `off` says why it cannot be pressed now."""
    more = joined(Html(' data-{}="{}"').format(name, value) for name, value in (data or {}).items())
    more += Html(' disabled title="{}"').format(off) if off else Html()
    return Html('<button type="button" class="plain {}" data-do="{}"{}>{}</button>').format(kind, do, more, label)


def acts(*buttons: str) -> Html:
    """A row of those buttons that are not empty."""
    return Html('<p class="acts">{}</p>').format(joined(buttons)) if any(buttons) else Html()


def notes(sentences: Iterable[str], kind: str = "warning") -> Html:
    """Notes as paragraphs; `kind` is their class in style.css."""
    return joined(Html('<p class="{}" role="status">{}</p>').format(kind, sentence) for sentence in sentences)


def empty(title: str, sentence: str) -> Html:
    """A placeholder for content that is not there yet."""
    return Html('<div class="nothing"><b>{}</b><p>{}</p></div>').format(title, sentence)


def joined(parts: Iterable[str]) -> Html:
    """Join texts or pieces of HTML."""
    return Html().join(parts)


def content(value: Any) -> Any:
    """A value for a component that shows HTML: a text is escaped unless it is `Html`."""
    return str(Html.escape(value)) if isinstance(value, str) else value


def clock(seconds: float | None) -> str:
    """Seconds as 1:02 or 1:02:03."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def duration(seconds: float) -> str:
    """Seconds in words, rounded as an estimate deserves: 40 s, 4 min, 2.5 h."""
    if seconds < 100:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def exactly(seconds: float) -> str:
    """Seconds in words, to the second: 40 s, 5 min 10 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {of_hour} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def percent(share: float) -> str:
    """A fraction of 1 as 91.6%."""
    return f"{100 * share:.1f}%"


def confident(share: float) -> str:
    """A probability as `percent` says it, but never as if there were no doubt."""
    return percent(share) if share < CERTAIN else "over 99%"


def rate(value: float) -> str:
    """A learning rate as 0.0014, or 1.4e-5 where that is shorter."""
    if value >= 1e-4:
        return f"{value:.2g}"
    number, power = f"{value:.1e}".split("e")
    return f"{number.removesuffix('.0')}e{int(power)}"


def doing(sentence: str, share: float | None = None) -> Html:
    """A sentence with a progress bar at `share`, 0 to 1; without it the bar is indeterminate."""
    value = "" if share is None else Html(' value="{:.4f}"').format(share)
    return Html(
        '<div class="doing" role="status"><span>{sentence}</span>'
        '<progress max="1" aria-label="{sentence}"{value}></progress></div>'
    ).format(sentence=sentence, value=value)


def alert(sentence: str) -> Html:
    """A message in front of the page, until the next action or for ten seconds; it is new even if its text is not."""
    return Html(
        '<div class="said" role="alert" data-n="{}"><p>{}</p>'
        '<button type="button" data-close aria-label="Close">×</button></div>'
    ).format(next(_alerts), sentence)
