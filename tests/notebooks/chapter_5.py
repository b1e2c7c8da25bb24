"""Pet breeds: fastbook's chapter 5 in its words, in small; `path` holds pets named BREED_NUMBER.jpg."""
# ruff: noqa: F403, F405

# %% the words
from core import *
from plugins import *

# %% presizing
pets = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_items=get_image_files,
    splitter=RandomSplitter(seed=42),
    get_y=using_attr(RegexLabeller(r"(.+)_\d+.jpg$"), "name"),
    item_tfms=Resize(48),
    batch_tfms=aug_transforms(size=32, min_scale=0.75),
)
dls = pets.dataloaders(path)
batch = dls.show_batch(nrows=1, ncols=3)

# %% a block that cannot work says at which step
pets1 = DataBlock(
    blocks=(ImageBlock, CategoryBlock),
    get_items=get_image_files,
    splitter=RandomSplitter(seed=42),
    get_y=using_attr(RegexLabeller(r"(.+)_\d+.jpg$"), "name"),
)
try:
    pets1.summary(path)
except BadInput as error:
    problem = str(error)

# %% a first model
learn = vision_learner(dls, efficientnet_lite0, metrics=error_rate)
epochs = learn.fine_tune(2)

# %% what the loss sees
x, y = dls.one_batch()
preds, _ = learn.get_preds(dl=[(x, y)])
total = len(preds[0]), preds[0].sum()

# %% softmax and log likelihood by hand
torch.random.manual_seed(42)
acts = torch.randn((6, 2)) * 2
targ = tensor([0, 1, 0, 1, 1, 0])
sm_acts = torch.softmax(acts, dim=1)
picked = sm_acts[range(6), targ]
nll = F.nll_loss(sm_acts, targ, reduction="none")
loss_func = nn.CrossEntropyLoss()
losses = loss_func(acts, targ), F.cross_entropy(acts, targ), nn.CrossEntropyLoss(reduction="none")(acts, targ).mean()

# %% its mistakes
interp = ClassificationInterpretation.from_learner(learn)
matrix = interp.plot_confusion_matrix(figsize=(12, 12), dpi=60)
confused = interp.most_confused(min_val=5)

# %% the learning rate
learn = vision_learner(dls, efficientnet_lite0, metrics=error_rate)
lr_min, lr_steep = learn.lr_find(suggest_funcs=(minimum, steep))
learn.fine_tune(2, base_lr=3e-3)

# %% frozen, then everything, then at rates that rise from layer to layer
learn = vision_learner(dls, efficientnet_lite0, metrics=error_rate)
learn.fit_one_cycle(3, 3e-3)
learn.unfreeze()
learn.fit_one_cycle(1, lr_max=1e-5)
learn.fit_one_cycle(2, lr_max=slice(1e-6, 1e-4))
curve = learn.recorder.plot_loss()

# %% half precision
learn = vision_learner(dls, efficientnet_lite0, metrics=error_rate).to_fp16()
halved = learn.fine_tune(1, freeze_epochs=1)
