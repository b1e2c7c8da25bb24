"""Is it a cat? fastbook's chapter 1 in its words, in small; `path` holds pets, of which cats have a capital letter."""
# ruff: noqa: F403, F405

# %% the words
from core import *
from plugins import *


# %% the data, labelled by a function that answers yes or no
def is_cat(name):
    return name[0].isupper()


dls = ImageDataLoaders.from_name_func(
    path, get_image_files(path), valid_pct=0.2, seed=42, label_func=is_cat, item_tfms=Resize(64), bs=16
)
learn = vision_learner(dls, efficientnet_lite0, metrics=error_rate)
epochs = learn.fine_tune(1)

# %% one photo, as an upload brings it
uploaded = next(f for f in get_image_files(path) if not is_cat(f.name)).read_bytes()
img = PILImage.create(uploaded)
thumb = img.to_thumb(48)
answer, _, probs = learn.predict(img)
said = f"Is it a cat? {answer}, with a probability of {probs[1].item():.6f}"

# %% the same photo as numbers
from_array, _, array_probs = learn.predict(np.array(img))
pixels = tensor(img)
opened = Image.open(get_image_files(path)[0])
shape = img.shape

# %% labels from names by an expression, from whole paths, from lists
by_expression = ImageDataLoaders.from_name_re(
    path, get_image_files(path), pat=r"(.+)_\d+.jpg$", item_tfms=Resize(32), batch_tfms=aug_transforms(size=24)
)
by_path = ImageDataLoaders.from_path_func(path, get_image_files(path), lambda o: len(o.name) % 2, item_tfms=Resize(32))
names = [f.name for f in get_image_files(path)]
by_list = ImageDataLoaders.from_lists(path, names, [n[:3] for n in names], item_tfms=Resize(32))
