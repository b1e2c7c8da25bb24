"""Pieces of HTML, every text in them escaped, and the component that shows them and reports clicks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio as gr

# What is clicked says so by data-do; the rest of its data-* goes with it. Buttons bring the keyboard along.
DELEGATE = """
const edit = (data, kind = 'edit') => { presize.edits += 1; trigger(kind, data); };
element.addEventListener('click', event => {
  const found = event.target.closest('[data-do]');
  if (found && element.contains(found) && !found.disabled) {
    if (found.dataset.confirm && !window.confirm(found.dataset.confirm)) return;
    if (found.dataset.do === 'edit') edit({...found.dataset});
    else trigger('click', {...found.dataset});
    return;
  }
  const chart = event.target.closest('svg.pick');
  if (!chart) return;
  const box = chart.getBoundingClientRect(), {left, right, low, high} = chart.dataset;
  const share = ((event.clientX - box.left) / box.width - left) / (right - left);
  if (share >= 0 && share <= 1) edit({x: low * (high / low) ** share});
});
// not `path`, which gradio takes for that of a file
const told = field => ({
  option: field.dataset.path,
  value: field.type === 'checkbox' ? String(field.checked) : field.value,
});
element.addEventListener('change', event => {
  const option = event.target.closest('[data-path]');
  if (option && option.reportValidity()) edit(told(option), 'choose' in option.dataset ? 'choose' : 'edit');
});
let waiting;
element.addEventListener('input', event => {
  if (event.target.type !== 'text' || !event.target.dataset.path) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => trigger('typed', told(event.target)), 200);
});
"""


def view(elem_id: str, value: str = "", label: str = "", **options: Any) -> gr.HTML:
    """HTML of ours; each of its events brings a dictionary.

    `click` has the data-* of what was clicked; `choose` (another plugin), `edit` (an option) and `typed` (text on its
    way) have the place of a `option` in the recipe, and a `value`; `edit` of a chart to pick from has the place `x`.
    """
    attributes = f' role="region" aria-label="{text(label)}"' if label else ""
    template = f"<div{attributes}>${{value}}</div>"
    return gr.HTML(value, html_template=template, js_on_load=DELEGATE, elem_id=elem_id, **options)


def text(value: object) -> str:
    """Any text, escaped for content and for attributes; half a letter, as in a broken file name, becomes a ?."""
    return html.escape(str(value).encode(errors="replace").decode(), quote=True)


def card(title: str, body: str, note: str = "") -> str:
    """A box with a title."""
    head = f"<h3>{text(title)}</h3>" if title else ""
    said = f'<p class="note">{text(note)}</p>' if note else ""
    return f'<section class="card">{head}{said}{body}</section>'


def figures(cells: Iterable[tuple[str, str, str]]) -> str:
    """Numbers first: (what it is, the number, what to know about it)."""
    boxes = (
        f'<div class="figure"><span>{text(name)}</span><b>{text(value)}</b><small>{text(note)}</small></div>'
        for name, value, note in cells
    )
    return f'<div class="figures">{"".join(boxes)}</div>'


def bars(rows: Iterable[tuple[str, float, str]]) -> str:
    """Names with a bar, 0 to 1, and a figure."""
    lines = (
        f'<li><span title="{text(name)}">{text(name)}</span>'
        f'<i><em style="width:{100 * min(1.0, max(0.0, share)):.1f}%"></em></i><b>{text(figure)}</b></li>'
        for name, share, figure in rows
    )
    return f'<ul class="bars">{"".join(lines)}</ul>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table; the cells are HTML already, so what comes from elsewhere went through `text`."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    said = f"<caption>{text(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def button(label: str, do: str, data: Mapping[str, object] | None = None, kind: str = "") -> str:
    """A button that its view reports as a click."""
    more = "".join(f' data-{name}="{text(value)}"' for name, value in (data or {}).items())
    return f'<button type="button" class="plain {kind}" data-do="{text(do)}"{more}>{text(label)}</button>'


def notes(sentences: Iterable[str], kind: str = "warning") -> str:
    """Sentences that a person should read."""
    return "".join(f'<p class="{kind}" role="status">{text(sentence)}</p>' for sentence in sentences)


def empty(title: str, sentence: str) -> str:
    """What stands where nothing is yet."""
    return f'<div class="nothing"><b>{text(title)}</b><p>{text(sentence)}</p></div>'


def clock(seconds: float | None) -> str:
    """Seconds as 1:02 or 1:02:03."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def percent(share: float) -> str:
    """A share as 91.6%."""
    return f"{100 * share:.1f}%"


def rate(value: float) -> str:
    """A learning rate as 1.4e-3."""
    number, power = f"{value:.1e}".split("e")
    return f"{number.removesuffix('.0')}e{int(power)}"


def doing(sentence: str, share: float | None = None) -> str:
    """What is being done, with a bar; without a share of it, 0 to 1, the bar only moves."""
    value = "" if share is None else f' value="{share:.4f}"'
    return (
        f'<div class="doing" role="status"><span>{text(sentence)}</span>'
        f'<progress max="1" aria-label="{text(sentence)}"{value}></progress></div>'
    )


def said(sentence: str) -> str:
    """A sentence in front of everything, until it is closed."""
    return (
        f'<div class="said" role="alert"><p>{text(sentence)}</p>'
        '<button type="button" data-close aria-label="Close">×</button></div>'
    )
