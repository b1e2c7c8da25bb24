"""fastai names that are not offered on purpose: using one raises an error that says what to write instead."""

from __future__ import annotations

from typing import NoReturn

from core.errors import BadInput


class NotOffered:
    """A placeholder for a fastai name; calling it or accessing an attribute raises BadInput with the alternative."""

    def __init__(self, word: str, instead: str) -> None:
        self._word, self._instead = word, instead

    def __repr__(self) -> str:
        return f"{self._word} is not offered: {self._instead}."

    def __call__(self, *args: object, **options: object) -> NoReturn:
        raise BadInput(repr(self))

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # looked up by notebooks, copy and pickle
            raise AttributeError(name)
        raise BadInput(repr(self))


_ONE_LABEL = "a photo has exactly one class label here, so there are no multi-label, regression or point targets"
BCEWithLogitsLossFlat = NotOffered("BCEWithLogitsLossFlat", _ONE_LABEL)
EarlyStoppingCallback = NotOffered("EarlyStoppingCallback", "a run has training.patience")
ImageClassifierCleaner = NotOffered(
    "ImageClassifierCleaner", "interp.top_losses() returns the indices in interp.items of the photos to look at"
)
L = NotOffered("L", "write list(...), which takes the same arguments")
MultiCategoryBlock = NotOffered("MultiCategoryBlock", _ONE_LABEL)
Normalize = NotOffered("Normalize", "leave it out, as an architecture normalises by the statistics of its weights")
PointBlock = NotOffered("PointBlock", _ONE_LABEL)
SaveModelCallback = NotOffered("SaveModelCallback", "a run keeps its best epoch, by training.best_by")
TensorImage = NotOffered("TensorImage", "a batch is a plain torch.Tensor; tensor(image) makes one of an image")
accuracy_multi = NotOffered("accuracy_multi", _ONE_LABEL)
download_images = NotOffered("download_images", "nothing is downloaded from URLs; give the folder of your photos")
first = NotOffered("first", "write dls.one_batch() for a batch, or next(iter(...))")
imagenet_stats = NotOffered("imagenet_stats", "an architecture normalises by the statistics of its weights")
xresnet50 = NotOffered("xresnet50", "write resnet50, or the name of a timm model such as 'resnet50d'")
URLs = NotOffered("URLs", 'write sources.create("pets", Path("workspace"))() or a folder of your own')
untar_data = NotOffered("untar_data", 'write sources.create("pets", Path("workspace"))() or a folder of your own')

CALLBACKS = (
    "cbs are not offered: to watch or stop training, write a `for` loop over core.training.loop.fit; a run has "
    "training.patience and training.best_by, and MixUp() and CutMix() are batch_tfms."
)
OF_A_LEARNER = {
    "add_cb": "to watch or stop training, write a `for` loop over core.training.loop.fit",
    "export": "write learn.save(folder), which writes safetensors and JSON",
    "load": "write load_learner(folder)",
    "to_fp32": "write vision_learner(..., precision='fp32'); the weights are float32 in any case",
}
