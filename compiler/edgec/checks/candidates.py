"""What each target compiles or, where the manifest has a search, may try: every recipe on every list of delegates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgec.artifacts import scheme
from edgec.artifacts.document import Json, Route
from edgec.artifacts.manifest import Choice, Manifest, TargetChoice, filled
from edgec.artifacts.target import Target
from edgec.registry import REGISTRY, plugin
from edgec.targets.devices import device
from edgec.targets.table import TARGETS

DEFAULT_RECIPES = {"int8": "calibration", "int8-qat": "training", "fp16": None, "fp32": None}
"""What is tried where a search names no recipes, and the role of data without which it is not."""

LINUX = ("linux-native", "linux-source", "reference")
"""The kinds of bundle for Linux: which of them it is depends on the delegates."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one target compiles, or one thing that it may try, and where each part was written.

    ``searched`` is True where a search put the two together.
    """

    target: TargetChoice
    recipe: Choice
    recipe_route: Route
    delegates: tuple[Choice, ...]
    delegates_route: Route
    searched: bool = False


def settings(manifest: Manifest) -> Iterator[Setting]:
    """Yield what each target compiles or tries, in the manifest's order; of a search only what can be at all."""
    for setting in combinations(manifest):
        if not setting.searched or misfit(setting, manifest) is None:
            yield setting


def combinations(manifest: Manifest) -> Iterator[Setting]:
    """Yield what each target compiles or, possible or not, what the search puts together for it."""
    for target in manifest.targets:
        recipes, delegates = _recipes(manifest, target), _delegates(manifest, target)
        fixed = manifest.search is None or (target.quantization is not None and target.delegate is not None)
        for recipe, recipe_route in recipes:
            for choices, delegates_route in delegates:
                yield Setting(
                    target=target,
                    recipe=recipe,
                    recipe_route=recipe_route,
                    delegates=choices,
                    delegates_route=delegates_route,
                    searched=not fixed,
                )


def misfit(setting: Setting, manifest: Manifest) -> tuple[str, str] | None:
    """Return the diagnostic code and the words for why a setting can never be built, or None."""
    row, hardware = TARGETS.get(setting.target.base), device(setting.target)
    for role in plugin("recipes", setting.recipe.name).NEEDS_DATA:
        if manifest.dataset(role) is None:
            return "needs-data", f"{setting.recipe.name} needs {role} data, and the manifest names none"
    for delegate in setting.delegates:
        if not plugin("delegates", delegate.name).AVAILABLE:
            continue  # a rule of its own refuses the manifest
        if row and delegate.name not in row.delegates:
            return "does-not-fit", f"{delegate.name} does not run on {setting.target.name}"
        if hardware and (why := unfit(delegate, hardware)):
            return "does-not-fit", why
        if row and setting.searched and without_runtime((delegate,), row):
            why = f"no package has ExecuTorch's runtime of {delegate.name} for Linux, and a search runs its candidates"
            return "does-not-fit", why
        if setting.recipe.name not in plugin("delegates", delegate.name).RECIPES:
            return "does-not-fit", f"{delegate.name} does not run {setting.recipe.name}"
    for option in unheeded(setting):
        return "does-not-fit", f"{setting.delegates[0].name} takes no {option}"
    return None


def unheeded(setting: Setting) -> tuple[str, ...]:
    """Return the recipe's options, of those of a Scheme, that are not their defaults and that the quantizer does not heed.

    Of several delegates the first one quantizes.
    """
    recipe, delegate = plugin("recipes", setting.recipe.name), plugin("delegates", setting.delegates[0].name)
    if not delegate.AVAILABLE or setting.recipe.name not in delegate.RECIPES:
        return ()  # rules of their own refuse the manifest
    usual = filled(recipe.OPTIONS, {})
    given = (name for name in scheme.OPTIONS if setting.recipe.options.get(name, usual.get(name)) != usual.get(name))
    return tuple(name for name in given if name not in delegate.SCHEME)


def without_runtime(delegates: tuple[Choice, ...], row: Target) -> tuple[str, ...]:
    """Return those of the delegates that, on Linux, no package has the runtime of."""
    if row.kind not in LINUX:
        return ()
    from edgec.runtime.libraries import runtime_has  # brings zipfile and tempfile, which `validate` does without

    backends = {choice.name: plugin("delegates", choice.name).BACKENDS for choice in delegates}
    return tuple(name for name, needed in backends.items() if not runtime_has(needed, row.architecture))


def unfit(delegate: Choice, target: Target) -> str | None:
    """Return why a delegate's options are none for a target, or None."""
    module = plugin("delegates", delegate.name)
    found: str | None = module.unfit(delegate.options, target) if hasattr(module, "unfit") else None
    return found


def likeness(recipe: Choice, delegates: tuple[Choice, ...]) -> Json:
    """Return what is equal for two settings that compile alike: defaults filled in, delegates that take nothing left out.

    One without a backend may have kernels of its own, which do not run on a build machine (cortex-m).
    """
    plugins = {choice.name: plugin("delegates", choice.name) for choice in delegates}
    taking = [choice for choice in delegates if plugins[choice.name].BACKENDS or plugins[choice.name].NOT_RUN]
    return [_filled("recipes", recipe), [_filled("delegates", choice) for choice in taking]]


def _filled(kind: str, choice: Choice) -> Json:
    return [choice.name, filled(plugin(kind, choice.name).OPTIONS, choice.options)]  # type: ignore[arg-type]


def _recipes(manifest: Manifest, target: TargetChoice) -> list[tuple[Choice, Route]]:
    if target.quantization is not None:
        return [(target.quantization, (*target.route, "quantization"))]
    search = manifest.search
    if search is None:
        return [(manifest.quantization, ("quantization",))]
    if search.recipes:
        return [(recipe, (*search.route, "recipes", index)) for index, recipe in enumerate(search.recipes)]
    possible = [
        name
        for name, role in DEFAULT_RECIPES.items()
        if name in REGISTRY["recipes"] and (role is None or manifest.dataset(role))
    ]
    return [(Choice(name=name), search.route) for name in possible]


def _delegates(manifest: Manifest, target: TargetChoice) -> list[tuple[tuple[Choice, ...], Route]]:
    if target.delegate is not None:
        return [(target.delegate, (*target.route, "delegate"))]
    search = manifest.search
    if search is None:
        return [(manifest.delegate, ("delegate",))]
    return [(choices, (*search.route, "delegates", index)) for index, choices in enumerate(search.delegates)]
