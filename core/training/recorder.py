"""Recorder: the losses and metrics of training, and plots of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL.Image import Image

from core.data import pictures
from core.data.sheet import Figsize, pixels
from core.events import EpochEnded, Event, LearningRateTried, StepEnded, Suggestion


@dataclass
class Recorder:
    """The steps and epochs of all training so far, and the curve of the last learning-rate finder."""

    losses: list[float] = field(default_factory=list)
    epochs: list[EpochEnded] = field(default_factory=list)
    tried: list[LearningRateTried] = field(default_factory=list)
    suggestion: Suggestion = field(default_factory=lambda: Suggestion({}))

    def record(self, event: Event) -> None:
        """Record an event, if it is one that is plotted."""
        match event:
            case StepEnded():
                self.losses.append(event.loss)
            case EpochEnded():
                self.epochs.append(event)
            case LearningRateTried():
                self.tried.append(event)
            case Suggestion():
                self.suggestion = event

    def plot_loss(self, figsize: Figsize | None = None) -> Image:
        """A plot of the loss of each training step so far."""
        steps = [float(i) for i in range(len(self.losses))]
        return pictures.curve(steps, {"loss": self.losses}, "Loss per step, nats", size=pixels(figsize))

    def plot_lr_find(self, figsize: Figsize | None = None) -> Image:
        """A plot of the last learning-rate finder's curve with its suggestions."""
        rates, losses = [t.lr for t in self.tried], [t.loss for t in self.tried]
        title, marks = "Smoothed loss by learning rate", self.suggestion.rates
        return pictures.curve(rates, {"loss": losses}, title, True, marks, pixels(figsize))
