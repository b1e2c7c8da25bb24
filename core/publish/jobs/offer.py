"""What renting a machine costs and sends, said before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import BadInput, quoted
from core.hub import HubUnreachable, with_retries
from core.publish.jobs.bundle import Bundle

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobHardwareInfo

SERVICE = "Hugging Face Jobs"
PER_HOUR = {"second": 3600, "minute": 60, "hour": 1}


@dataclass(frozen=True)
class Rent:
    """The machine, its time limit in seconds, and whether what was sent stays on the Hub; options of the run there."""

    flavor: str
    seconds: float
    keep: bool = False
    finish_after: float | None = None
    accept_changes: bool = False


def offer(rent: Rent, bundle: Bundle, api: HfApi, user: str) -> str:
    """What is rented, at what price, and what goes where, in sentences; raises BadInput if there is no such machine."""
    hours = rent.seconds / 3600
    return (
        f"It trains on a rented {_machine(rent.flavor, hours, api)}, paid by {user}.\n"
        f"{_capital(str(bundle))}, the recipe, its labels and the code in core/ and plugins/ go to a private data set "
        f"of {user} on the Hub, {'which is kept' if rent.keep else 'which is deleted at the end'}; the model comes "
        "back into the run's folder.\n"
        "The job gets your login of the Hub as a secret, to read and write that data set."
    )


def _machine(flavor: str, hours: float, api: HfApi) -> str:
    limit = f"at most {hours:.3g} h"
    try:
        known = with_retries(SERVICE, lambda: {each.name: each for each in api.list_jobs_hardware()})
    except HubUnreachable:
        raise
    except BadInput:
        return f"{flavor}, {limit}; its price is not known, see https://huggingface.co/pricing"
    if flavor not in known:
        raise BadInput(f"{SERVICE} has no machine {quoted(flavor)}; --flavor is one of {', '.join(sorted(known))}.")
    found = known[flavor]
    if found.accelerator and found.accelerator.quantity != "1":
        raise BadInput(
            f"{flavor!r} has {found.accelerator.quantity} GPUs, of which a run would use one; choose another --flavor."
        )
    return f"{flavor} ({_parts(found)}): {_price(found, hours)}, {limit}"


def _parts(found: JobHardwareInfo) -> str:
    gpu = f"{found.accelerator.model} with {found.accelerator.vram}, " if found.accelerator else "no GPU, "
    return f"{gpu}{found.cpu}, {found.ram}"


def _price(found: JobHardwareInfo, hours: float) -> str:
    if found.unit_label not in PER_HOUR:
        return f"${found.unit_cost_usd:g} per {found.unit_label}"
    price = found.unit_cost_usd * PER_HOUR[found.unit_label]
    return f"${price:.2f} an hour, so at most ${price * hours:.2f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
