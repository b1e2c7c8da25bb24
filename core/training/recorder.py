"""What training leaves to be drawn."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL.Image import Image

from core.data import pictures
from core.data.sheet import Figsize, pixels
from core.events import EpochEnded, Event, LearningRateTried, StepEnded, Suggestion


@dataclass
class Recorder:
    """What all training so far, and the last learning-rate finder, left to draw."""

    losses: list[float] = field(default_factory=list)
    epochs: list[EpochEnded] = field(default_factory=list)
    tried: list[LearningRateTried] = field(default_factory=list)
    suggestion: Suggestion = field(default_factory=lambda: Suggestion({}))

    def record(self, event: Event) -> None:
        """Keep what is drawn of an event."""
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
        """The loss of each training step so far."""
        steps = [float(i) for i in range(len(self.losses))]
        return pictures.curve(steps, {"loss": self.losses}, "Loss a step, nats", size=pixels(figsize))

    def plot_lr_find(self, figsize: Figsize | None = None) -> Image:
        """The curve of the last learning-rate finder with its suggestions."""
        rates, losses = [t.lr for t in self.tried], [t.loss for t in self.tried]
        title, marks = "Smoothed loss by learning rate", self.suggestion.rates
        return pictures.curve(rates, {"loss": losses}, title, True, marks, pixels(figsize))
