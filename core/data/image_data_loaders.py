"""ImageDataLoaders: fastai's short cuts, each a DataBlock that meets its source at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.data.block import CategoryBlock, DataBlock, ImageBlock, using_attr
from core.data.files import get_image_files
from core.data.loaders import DataLoaders
from core.data.table import ColReader, ColSplitter, Rows
from core.data.tables import read_table
from core.errors import BadInput
from core.registry import labellers, splitters

Name = str | Path
Label = Callable[[Any], str | int]


class ImageDataLoaders:
    """Ways to DataLoaders; all take `item_tfms` and `batch_tfms`, and `bs` and what else `DataBlock.dataloaders` does.

    A random share `valid_pct` is for validation, the same with the same `seed`. All raise BadInput.
    """

    @classmethod
    def from_folder(
        cls,
        path: Name,
        train: str = "train",
        valid: str = "valid",
        valid_pct: float | None = None,
        seed: int | None = None,
        vocab: Sequence[Any] | None = None,
        **options: Any,
    ) -> DataLoaders:
        """Photos in TRAIN/CLASS/ and VALID/CLASS/ under `path`; with `valid_pct`, in CLASS/ anywhere under it."""
        if valid_pct is None:
            files = get_image_files(path, folders=[train, valid])
            splitter = splitters.create("grandparent", train_name=train, valid_name=valid)
        else:
            files, splitter = get_image_files(path), _random(valid_pct, seed)
        return _loaders(files, labellers.create("folder"), splitter, vocab=vocab, **options)

    @classmethod
    def from_path_func(
        cls,
        path: Name,
        fnames: Sequence[Name],
        label_func: Label,
        valid_pct: float = 0.2,
        seed: int | None = None,
        **options: Any,
    ) -> DataLoaders:
        """The photos `fnames`, each labelled by a function of its path; `path` is where fastai would write to."""
        return _loaders([Path(name) for name in fnames], label_func, _random(valid_pct, seed), **options)

    @classmethod
    def from_name_func(cls, path: Name, fnames: Sequence[Name], label_func: Label, **options: Any) -> DataLoaders:
        """The photos `fnames`, each labelled by a function of its file name."""
        return cls.from_path_func(path, fnames, using_attr(label_func, "name"), **options)

    @classmethod
    def from_path_re(cls, path: Name, fnames: Sequence[Name], pat: str, **options: Any) -> DataLoaders:
        """The photos `fnames`, each labelled by the first group of an expression searched in its path."""
        return cls.from_path_func(path, fnames, labellers.create("regex", pattern=pat, part="path"), **options)

    @classmethod
    def from_name_re(cls, path: Name, fnames: Sequence[Name], pat: str, **options: Any) -> DataLoaders:
        """The photos `fnames`, each labelled by the first group of an expression searched in its file name."""
        return cls.from_path_func(path, fnames, labellers.create("regex", pattern=pat), **options)

    @classmethod
    def from_lists(
        cls,
        path: Name,
        fnames: Sequence[Name],
        labels: Sequence[str | int],
        valid_pct: float = 0.2,
        seed: int | None = None,
        **options: Any,
    ) -> DataLoaders:
        """The photos `fnames` under `path`, and as many labels."""
        if len(fnames) != len(labels):
            raise BadInput(f"There are {len(fnames)} file names and {len(labels)} labels; give a label for each photo.")
        pairs = list(zip(fnames, labels, strict=True))
        return _loaders(
            pairs, lambda pair: pair[1], _random(valid_pct, seed), lambda pair: Path(path, pair[0]), **options
        )

    @classmethod
    def from_df(
        cls,
        df: Any,
        path: Name = ".",
        valid_pct: float = 0.2,
        seed: int | None = None,
        fn_col: str | int = 0,
        folder: Name | None = None,
        suff: str = "",
        label_col: str | int = 1,
        valid_col: str | int | None = None,
        **options: Any,
    ) -> DataLoaders:
        """The rows of a pandas DataFrame.

        Columns, by name or number: `fn_col` names the photo (in `folder` of `path`, less `suff`), `label_col` its
        label, and `valid_col`, if there is one, says whether it is for validation.
        """
        rows = df if isinstance(df, list) else Rows(df)
        splitter = _random(valid_pct, seed) if valid_col is None else ColSplitter(valid_col)
        photo = ColReader(fn_col, pref=Path(path, folder or ""), suff=suff)
        return _loaders(rows, ColReader(label_col), splitter, photo, **options)

    @classmethod
    def from_csv(
        cls,
        path: Name,
        csv_fname: Name = "labels.csv",
        header: str | int | None = "infer",
        delimiter: str | None = None,
        **options: Any,
    ) -> DataLoaders:
        """The rows of a table `path`/`csv_fname`; `options` as for `from_df`. `header` is None where it has none."""
        if header not in ("infer", 0, None):
            raise BadInput(f"header={header!r} is not understood; give None for a table without one.")
        table = read_table(Path(path, csv_fname), header=header is not None, delimiter=delimiter)
        columns = [*zip(*(row for _, row in table.rows), strict=True)]
        rows = zip(*map(_numbers, columns), strict=True)
        return cls.from_df([dict(zip(table.header, row, strict=True)) for row in rows], path, **options)


def _numbers(column: Sequence[str]) -> Sequence[str] | Sequence[int]:
    """A column as pandas reads it, if all are whole numbers; names such as 007 stay texts."""
    whole = all(text.isascii() and text.isdecimal() and str(int(text)) == text for text in column)
    return [int(text) for text in column] if whole else column


def _loaders(
    items: Sequence[Any],
    label: Label,
    splitter: Any,
    photo: Callable[[Any], Any] | None = None,
    vocab: Sequence[Any] | None = None,
    item_tfms: Any = None,
    batch_tfms: Any = None,
    **options: Any,
) -> DataLoaders:
    blocks = (ImageBlock, CategoryBlock(vocab))
    block = DataBlock(blocks, None, splitter, label, photo, item_tfms, batch_tfms)
    return block.dataloaders(items, **options)


def _random(valid_pct: float, seed: int | None) -> Any:
    return splitters.build(splitters.defaults("splitter")[0] | {"valid_pct": valid_pct, "seed": seed})
