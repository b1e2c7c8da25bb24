"""The parts of the benchmark: each yields rows, a name with its figures."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from core.data.threads import photo_threads
from core.model.architecture import build_architecture
from tests.benchmarks.against_fastai.ours import Repeated
from tests.benchmarks.gpu.work import Work, data, learner, rate, steps

Rows = Iterator[tuple[str, dict[str, float]]]
THREADS = (1, 2, 4, 8, 16)
SHOWN = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)  # steps of the first minute
ROOT = Path(__file__).parents[3]


def plain(work: Work) -> Rows:
    """A plain eager loop on synthetic data in the best precision: what the card can do with this network."""
    for network, batch in work.rows:
        work.device.tune()
        work.device.peak_memory()
        speed = rate(work, batch, _plain_step(work, network, batch))
        yield f"{network} {batch}", {f"images/s, {work.device.precision()}": speed, "peak GB": _peak(work)}


def _plain_step(work: Work, network: str, batch: int) -> Callable[[], None]:
    device, precision = work.device, work.device.precision()
    model = build_architecture({"name": network, "pretrained": False}, 10).model
    model.to(device.torch, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=device.fused or None)
    images, targets = _noise(work, batch, 10)
    images = images.contiguous(memory_format=torch.channels_last)
    scaler = device.scaler(precision)

    def step() -> None:
        with device.autocast(precision):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), targets)
        if scaler:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()
        optimizer.zero_grad()

    return step


def synthetic(work: Work) -> Rows:
    """Our `fit` on one batch of noise over and over."""
    for network, batch in work.rows:
        with data(work, batch) as dls:
            learn, noise = learner(dls, network), _noise(work, batch, dls.c)
            learn.dls.train = learn.dls.valid = Repeated(noise, 10_000, dls.train.pipeline)
            work.device.peak_memory()
            speed = rate(work, batch, partial(next, steps(learn, 1)))
            yield f"{network} {batch}", {"images/s": speed, "peak GB": _peak(work)}


def photos(work: Work) -> Rows:
    """Our `fit` on photos: the first epoch, which decodes, and the later ones, from the cache; validation left out."""
    for network, batch in work.rows:
        with data(work, batch) as dls:
            count, of_epoch = len(dls.train.items), len(dls.train)
            began = time.perf_counter()
            moments = [began, *steps(learner(dls, network), 3)]
            first = moments[of_epoch] - began
            # from the first to the last step of the third epoch, as validation lies between epochs
            last = moments[2 * of_epoch + 1 :]
            later = (len(last) - 1) * count / of_epoch / (last[-1] - last[0]) if len(last) > 1 else 0.0
            yield f"{network} {batch}", {"first epoch images/s": count / first, "later epoch images/s": later}


def loader(work: Work) -> Rows:
    """Our training loader alone, by threads; and photos decoded and presized by all cores, with nothing else."""
    cores = os.cpu_count() or 1
    with data(work, work.batches[0]) as dls, photo_threads(cores) as pool:
        files, began = dls.train.items, time.perf_counter()
        deque(pool.map(partial(dls.train.pipeline.read, training=True), files), 0)
        yield f"decoding alone, {cores} threads", {"images/s": len(files) / (time.perf_counter() - began)}
    for threads in (n for n in THREADS if n <= cores):
        with data(work, work.batches[0], threads) as dls:
            names = ("first epoch images/s", "later epoch images/s")
            yield f"{threads} threads", {name: len(dls.train.items) / _seconds(work, dls.train) for name in names}


def compiled(work: Work) -> Rows:
    """`synthetic` with torch.compile: what it costs at first, and what it gives then."""
    for network, batch in work.rows:
        with data(work, batch) as dls:
            learn, noise = learner(dls, network), _noise(work, batch, dls.c)
            learn.dls.train = learn.dls.valid = Repeated(noise, 10_000, dls.train.pipeline)
            learn.task.compile = True
            began, each = time.perf_counter(), steps(learn, 1)
            next(each)
            first = time.perf_counter() - began
            yield f"{network} {batch}", {"first step s": first, "images/s": rate(work, batch, partial(next, each))}


def fastai(work: Work) -> Rows:
    """fastai with `to_fp16()`, if it is installed: the whole second epoch, by worker processes."""
    for network, batch in work.rows:
        for workers in (8, 16) if (os.cpu_count() or 1) >= 8 else (1,):
            found = _theirs(work, "epochs", network=network, batch=batch, workers=workers)
            yield f"{network} {batch}, {workers} workers", found


def reach(work: Work) -> Rows:
    """Seconds to fastai's final accuracy with `fine_tune`, efficientnet_lite0 with each engine's own defaults."""
    with data(work, work.batches[0], photos=10**9 if work.seconds > 1 else None) as dls:
        began = time.perf_counter()
        epochs = learner(dls, "efficientnet_lite0", pretrained=True).fine_tune(work.epochs)
        ends, scores = list(accumulate(e.seconds for e in epochs)), [e.metrics["accuracy"] for e in epochs]
        yield "Presize", {"s": time.perf_counter() - began, "accuracy": scores[-1]}
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "weights.safetensors")
        _save_body(weights)
        theirs = _theirs(work, "fine_tune", weights=str(weights), batch=work.batches[0], workers=os.cpu_count() or 1)
    yield "fastai", theirs
    if "accuracy" in theirs:
        there = next(
            (end for end, score in zip(ends, scores, strict=True) if score >= theirs["accuracy"]), float("nan")
        )
        yield "Presize, to fastai's accuracy", {"s": there}


def minute(work: Work) -> Rows:
    """The first minute of a training on photos, step by step: the time of a step, and when it ended."""
    began = time.perf_counter()
    with data(work, work.batches[0]) as dls:
        moments = [began]
        for moment in steps(learner(dls, work.networks[-1]), 1000):
            moments.append(moment)
            if moment - began > min(60.0, 10 * work.seconds):
                break
    for number, (before, after) in enumerate(pairwise(moments), 1):
        if number in SHOWN:
            yield f"step {number}", {"ms": 1000 * (after - before), "at s": after - began}
    longest = max(range(1, len(moments)), key=lambda i: moments[i] - moments[i - 1])
    yield f"longest: step {longest}", {"ms": 1000 * (moments[longest] - moments[longest - 1])}


PARTS: dict[str, Callable[[Work], Rows]] = {
    f.__name__: f for f in (plain, synthetic, photos, loader, minute, reach, fastai, compiled)
}


def _seconds(work: Work, train: Any) -> float:
    began = time.perf_counter()
    for _ in train:
        pass
    work.device.synchronize()
    return time.perf_counter() - began


def _peak(work: Work) -> float:
    return work.device.peak_memory() / 1e9


def _noise(work: Work, batch: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    device = work.device.torch
    return torch.rand(batch, 3, work.small, work.small, device=device), torch.arange(batch, device=device) % classes


def _save_body(file: Path) -> None:
    from safetensors.torch import save_file

    model = build_architecture({"name": "efficientnet_lite0"}, 2).model
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, file)


def _theirs(work: Work, do: str, **about: Any) -> dict[str, float]:
    """fastai's figures, by a process of its own Python; none without it."""
    if work.fastai is None:
        return {}
    known = {"data": str(work.data), "photos": work.photos, "large": work.large, "small": work.small, "do": do}
    known |= {"epochs": work.epochs, "cpu": work.device.host, **about}
    command = [str(work.fastai), "-m", "tests.benchmarks.gpu.theirs", json.dumps(known)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: fastai failed at {do!r}:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
