"""Words of fastai's notebooks that are left out on purpose: using one says what to write instead."""

from __future__ import annotations

from typing import NoReturn

from core.errors import BadInput


class NotOffered:
    """Stands where fastai has a word; to call it or to ask it for anything raises BadInput with what to write."""

    def __init__(self, word: str, instead: str) -> None:
        self._word, self._instead = word, instead

    def __repr__(self) -> str:
        return f"{self._word} is not offered: {self._instead}."

    def __call__(self, *args: object, **options: object) -> NoReturn:
        raise BadInput(repr(self))

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # asked for by notebooks and copiers, not by people
            raise AttributeError(name)
        raise BadInput(repr(self))


_ONE_LABEL = "a photo has one label here, which is neither a number nor a place"
BCEWithLogitsLossFlat = NotOffered("BCEWithLogitsLossFlat", _ONE_LABEL)
EarlyStoppingCallback = NotOffered("EarlyStoppingCallback", "a run has training.patience")
ImageClassifierCleaner = NotOffered(
    "ImageClassifierCleaner", "interp.top_losses() gives the places in interp.items of the files to look at"
)
L = NotOffered("L", "write list(...), which takes the same")
MultiCategoryBlock = NotOffered("MultiCategoryBlock", _ONE_LABEL)
Normalize = NotOffered("Normalize", "leave it out, as an architecture normalises by the statistics of its weights")
PointBlock = NotOffered("PointBlock", _ONE_LABEL)
SaveModelCallback = NotOffered("SaveModelCallback", "a run keeps its best epoch, by training.best_by")
TensorImage = NotOffered("TensorImage", "a batch is a plain torch.Tensor, and so may be tensor(image)")
accuracy_multi = NotOffered("accuracy_multi", _ONE_LABEL)
download_images = NotOffered("download_images", "nothing is fetched from addresses; give the folder of your photos")
first = NotOffered("first", "write dls.one_batch() for a batch, or next(iter(...))")
imagenet_stats = NotOffered("imagenet_stats", "an architecture normalises by the statistics of its weights")
xresnet50 = NotOffered("xresnet50", "write resnet50, or a name of timm's such as 'resnet50d'")
URLs = NotOffered("URLs", 'write sources.create("pets", Path("workspace"))() or a folder of your own')
untar_data = NotOffered("untar_data", 'write sources.create("pets", Path("workspace"))() or a folder of your own')

CALLBACKS = (
    "cbs are not offered: what watches or stops is the body of a `for` over core.training.loop.fit, a run has "
    "training.patience and training.best_by, and MixUp() and CutMix() are among the batch_tfms."
)
OF_A_LEARNER = {
    "add_cb": "what watches or stops is the body of a `for` over core.training.loop.fit",
    "export": "write learn.save(folder), which is safetensors and JSON",
    "load": "write load_learner(folder)",
    "to_fp32": "on a CPU it is float32 already, and a GPU keeps the weights in it",
}
