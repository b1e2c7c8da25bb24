"""The recipe being edited in a workspace, and the one before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.recipe import Recipe
from plugins.panels.kit.project.draft import Draft
from plugins.panels.kit.project.places import check_transforms, follow_metrics
from plugins.panels.kit.project.plain import plain


class EditedRecipe:
    """The recipe in the draft of a folder, where paths inside the folder are relative; `recipe` has absolute paths."""

    confined = False  # whether a recipe may only use paths inside the folder

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()  # a run resolves its workspace too
        self.draft = Draft(self.folder)
        self._recipes: dict[str, tuple[object, Recipe | None]] = {}  # each with the document it was read from

    @property
    def recipe(self) -> Recipe | None:
        """The recipe being edited, or None if there are no photos yet."""
        return self._recipe("recipe")

    @property
    def earlier(self) -> Recipe | None:
        """The recipe of the previous photos."""
        return self._recipe("earlier")

    @property
    def shown_recipe(self) -> Recipe | None:
        """The recipe as forms show it; where it is `confined`, its paths are relative to the folder."""
        recipe = self.recipe
        return recipe.relative_to(self.folder) if recipe and self.confined else recipe

    def require_recipe(self) -> Recipe:
        """The recipe being edited; raises BadInput if there is none."""
        if (recipe := self.recipe) is None:
            raise BadInput(self.refused or "There are no photos yet; add some on the Data page.")
        return recipe

    @property
    def refused(self) -> str:
        """Why the newest photos cannot be used; empty if they can."""
        return str(self.draft.read().get("refused") or "")

    @property
    def reasons(self) -> list[str]:
        """The reasons for the proposed labeller and splitter of the current photos."""
        return list(self.draft.read().get("reasons") or ())

    def admit(self, document: Mapping[str, Any]) -> None:
        """Raise BadInput if a recipe, or a part of one, may not be used here; the owner may use any."""

    def use(self, recipe: Recipe) -> None:
        """Make this the recipe being edited; raises BadInput if it may not be used here."""
        self.put(recipe)

    def put(self, recipe: Recipe) -> None:
        """`use` for a recipe whose photos are here already; raises BadInput."""
        self.draft.write(recipe=self._document(recipe), refused="")

    def go_back(self) -> None:
        """Return to the recipe of the previous photos; raises BadInput if there are none."""
        if (recipe := self.earlier) is None:
            raise BadInput("There are no earlier photos to go back to; add some on the Data page.")
        self.use(recipe)

    def changed(self, path: str, value: Any) -> Recipe:
        """The recipe with another value at a path such as `training.epochs`; raises BadInput if it is not valid."""
        before = self.require_recipe()
        after = self._admitted(before.with_settings([f"{path}={json.dumps(value)}"]))
        if (before.item_tfms, before.batch_tfms) != (after.item_tfms, after.batch_tfms):
            check_transforms(after)
        return follow_metrics(before, after)

    def edit(self, path: str, value: Any) -> None:
        """Set an option by its path, such as `training.epochs`; raises BadInput and changes nothing if not valid."""
        with self.draft.lock:
            self.use(self.changed(path, value))

    def plain(self, error: BadInput) -> str:
        """The message of an error as it may be shown to the user of this project."""
        return plain(str(error), self.folder)

    def _recipe(self, name: str) -> Recipe | None:
        document = self.draft.read().get(name)
        read, recipe = self._recipes.get(name, (None, None))
        if document is not read:
            try:
                recipe = self._admitted(Recipe.from_dict(document)) if document else None
            except BadInput:  # a missing plugin, or a draft of another version
                recipe = None
            self._recipes[name] = document, recipe
        return recipe

    def _admitted(self, recipe: Recipe) -> Recipe:
        """A recipe with absolute paths, relative ones taken from the folder; raises BadInput if it may not be used."""
        placed = recipe.absolute(self.folder) if self.confined else recipe.absolute(self.folder, Path())
        self.admit(placed.to_dict())
        return placed

    def _document(self, recipe: Recipe) -> dict[str, Any]:
        return self._admitted(recipe).relative_to(self.folder).to_dict()
