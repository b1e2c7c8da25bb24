"""From photos to something others can use: fastbook's chapter 2 in its words, in small.

`path` holds a folder a class, with some downloads that are no photos; `export` is a folder for the model.
"""
# ruff: noqa: F403, F405

# %% the words
from core import *
from plugins import *

# %% what was downloaded, less what cannot be read
fns = get_image_files(path)
failed = verify_images(fns)
failed.map(Path.unlink)

# %% the data block
block = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_items=get_image_files,
    splitter=RandomSplitter(valid_pct=0.25, seed=42),
    get_y=parent_label,
    item_tfms=Resize(32),
)
dls = block.dataloaders(path, bs=8)
cropped = dls.valid.show_batch(max_n=4, nrows=1)

# %% the same block with other transforms
block = block.new(item_tfms=Resize(32, ResizeMethod.Squish))
squished = block.dataloaders(path).valid.show_batch(max_n=4, nrows=1)
block = block.new(item_tfms=Resize(32, ResizeMethod.Pad, pad_mode="zeros"))
padded = block.dataloaders(path).valid.show_batch(max_n=4, nrows=1)
block = block.new(item_tfms=RandomResizedCrop(32, min_scale=0.3))
parts = block.dataloaders(path).train.show_batch(max_n=4, nrows=1, unique=True)
block = block.new(item_tfms=Resize(32), batch_tfms=aug_transforms(mult=2))
changed = block.dataloaders(path).train.show_batch(max_n=8, nrows=2, unique=True)

# %% training, and what it gets wrong
block = block.new(item_tfms=RandomResizedCrop(32, min_scale=0.5), batch_tfms=aug_transforms())
dls = block.dataloaders(path, bs=4)
learn = vision_learner(dls, efficientnet_lite0, metrics=error_rate)
epochs = learn.fine_tune(4)
interp = ClassificationInterpretation.from_learner(learn)
matrix = interp.plot_confusion_matrix()
worst = interp.plot_top_losses(5, nrows=1)
interp.print_classification_report()

# %% for others
learn.save(export)
learn_inf = load_learner(export)
btn_upload = [fns[0].read_bytes()]
img = PILImage.create(btn_upload[-1])
small = img.to_thumb(24, 24)
pred, pred_idx, probs = learn_inf.predict(img)
label = f"Prediction: {pred}; Probability: {probs[pred_idx]:.04f}"
