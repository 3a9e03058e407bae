"""A model of transformers, by its configuration: from a repository of the Hugging Face hub, or from the project."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgec.artifacts.document import Json
from edgec.artifacts.manifest import Options
from edgec.artifacts.project import Project
from edgec.diagnostics import Diagnostic, Failure, first_line, nearest
from edgec.exhaustion import exhausted
from edgec.runtime.extras import missing_extra
from edgec.sources import given_weights
from edgec.sources.given_weights import wrong
from edgec.sources.huggingface_options import CONFIG, KEYS
from edgec.sources.untrained import draw_zeros, seeded
from edgec.store import cache, weights
from edgec.store.files import collected, located

if TYPE_CHECKING:
    import torch

SUMMARY = "a model of transformers, from the Hugging Face hub or a configuration (edgec[huggingface])"
NEEDS: tuple[str, ...] = ("transformers", "safetensors")
RUNS_CODE = False
OPTIONS: Json = KEYS
CONFIG_LIMIT = 1 << 24
"""Largest config.json that is read, in bytes."""


def missing() -> str | None:
    """Return how to install transformers, or None where it is here; imports nothing."""
    return missing_extra(NEEDS, "huggingface")


def check(options: Options, project: Project) -> list[Diagnostic]:
    """Return what is wrong with the repository, its commit and digests, the configuration, or the weights."""
    if ("repo" in options) == ("config" in options):
        hint = "repo, revision and files name one on the hub; config is a path in the project, or the configuration itself"
        return [wrong("the model must come from either `repo` or `config`", ("repo",) if "repo" in options else (), hint=hint)]
    if "repo" in options:
        return _repo_problems(options, project)
    found = [wrong(f"{key!r} goes with `repo`", (key,)) for key in ("revision", "files") if key in options]
    if isinstance(options["config"], str):
        found += collected(lambda: _config(options, project))
    elif not isinstance(options["config"].get("model_type"), str):
        found.append(wrong("the configuration names no model_type", ("config",), hint="for example {model_type: bert, …}"))
    if "weights" not in options:
        hint = "{file, sha256}, {url, sha256}, or {random: SEED} for trials"
        return [*found, wrong("the model has no weights", (), hint=hint)]
    return found + given_weights.check(options["weights"], project, ("file", "url", "random"))


def files(options: Options, project: Project) -> list[Path]:
    """Return the configuration's and the weights' files, where they lie in the project."""
    given, found = options.get("weights") or {}, []
    if isinstance(options.get("config"), str):
        found.append(_config_path(options, project))
    if "file" in given:
        found.append(given_weights.path(given, project))
    return sorted(found)


def trust(options: Options) -> str | None:
    """Return None: code of a repository (trust_remote_code) is never run."""
    return None


def trust_digest(options: Options, project: Project) -> str:
    """Return an empty string: there is nothing to trust."""
    return ""


def load(options: Options, project: Project) -> torch.nn.Module:
    """Return the model, float32 and in evaluation mode; it takes tensors in the order of ``feeds`` and gives a dict of them.

    Raises Failure ``tool-missing``, ``model-not-loaded``, ``digest-mismatch``, ``download-failed``, ``offline``, or what
    ``check`` finds.
    """
    if absent := missing():
        raise Failure(Diagnostic(code="tool-missing", message=absent))
    if problems := check(options, project):
        raise Failure(*problems)
    given = _config(options, project)
    config = _configured(given)
    seed = (options.get("weights") or {}).get("random")
    model = _untrained(options, config, 0 if seed is None else seed)
    if seed is None:
        model = _trained(type(model), config, *_state(options, project))
    else:
        draw_zeros(model, seed)
    return _plain(model.float().eval(), options)


def weights_digest(options: Options, project: Project) -> str:
    """Return the full sha256 of the weights' file, "" for random weights."""
    own = [digest for name, digest in options.get("files", {}).items() if name != CONFIG]
    return str(own[0] if own else (options.get("weights") or {}).get("sha256", ""))


def _repo_problems(options: Options, project: Project) -> list[Diagnostic]:
    found, repo, revision = [], str(options["repo"]), str(options.get("revision", ""))
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", repo) or ".." in repo:
        found.append(wrong(f"{repo!r} is not a repository of the hub, OWNER/NAME", ("repo",)))
    if not re.fullmatch("[0-9a-f]{40}", revision):
        message = "`revision` must be a commit of 40 hexadecimal digits: a branch or a tag moves, and the build with it"
        hint = f"`git ls-remote https://huggingface.co/{repo}` prints it"
        found.append(wrong(message, ("revision",) if "revision" in options else (), hint=hint))
    return found + _file_problems(options)


def _file_problems(options: Options) -> list[Diagnostic]:
    """One configuration, one file of weights (or a seed), each with its sha256."""
    listed, found = options.get("files", {}), []
    hint = f"files: {{{CONFIG}: SHA256, model.safetensors: SHA256}}"
    tensors = [name for name in listed if name.endswith(".safetensors")]
    for name, digest in listed.items():
        if name != CONFIG and name not in tensors:
            found.append(wrong(f"{name!r} is neither {CONFIG} nor safetensors", ("files", name), hint=hint))
        elif ".." in name or not re.fullmatch(r"[\w][\w./-]*", name):
            found.append(wrong(f"{name!r} is not the name of a file in the repository", ("files", name)))
        if not re.fullmatch("[0-9a-f]{64}", str(digest)):
            message = f"{digest!r} is no sha256: 64 lower-case hexadecimal digits"
            found.append(wrong(message, ("files", name), hint=f"`sha256sum {name}` prints it"))
    place: tuple[str, ...] = ("files",) if "files" in options else ()
    if CONFIG not in listed:
        found.append(wrong(f"`files` gives no sha256 for {CONFIG}", place, hint=hint))
    given = options.get("weights")
    if given is not None and set(given) != {"random"}:
        found.append(
            wrong("weights of a repository stand under `files`; `weights` takes {random: SEED}", ("weights",), hint=hint)
        )
    elif len(tensors) != (given is None):
        message = "`files` must give the sha256 of exactly one safetensors file, or `weights` a seed"
        found.append(wrong(message, place, hint=hint))
    return found


def _config_path(options: Options, project: Project) -> Path:
    return located(project, options["config"], ("config",), code="weights-invalid")


def _config(options: Options, project: Project) -> dict[str, Any]:
    """The configuration as JSON has it. Raises Failure ``weights-invalid`` or one of fetching it."""
    if isinstance(options.get("config"), Mapping):
        return dict(options["config"])
    if "repo" in options:
        content, shown = _fetched(options, CONFIG, project).read_bytes(), CONFIG
    else:
        content, shown = _config_path(options, project).read_bytes(), str(options["config"])
    try:
        if len(content) > CONFIG_LIMIT:
            raise ValueError("it is too large")
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Failure(wrong(f"{shown} is not JSON: {error}", ("config",))) from None
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        raise Failure(wrong(f"{shown} is no configuration of transformers: it names no model_type", ("config",)))
    return found


def _fetched(options: Options, name: str, project: Project) -> Path:
    from edgec.store import fetch  # brings http and TLS, which `validate` never needs

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    url = f"{endpoint}/{options['repo']}/resolve/{options['revision']}/{name}"
    return fetch.fetch(url, options["files"][name], cache.default_folder(), offline=project.offline)


def _state(options: Options, project: Project) -> tuple[dict[str, torch.Tensor], str]:
    """The weights' tensors and what their file is called."""
    if "repo" not in options:
        given = options["weights"]
        return given_weights.state_dict(given, project), given.get("file") or given["url"]
    name = next(name for name in options["files"] if name != CONFIG)
    path = _fetched(options, name, project)
    content = path.read_bytes()
    weights.verify(content, options["files"][name], name)
    if content[8:9] != b"{":
        raise weights.refused(f"{name} is not a safetensors file")
    return weights.state_dict(path, options["files"][name], name), name


def _configured(given: Mapping[str, Any]) -> Any:
    """The configuration as transformers has it; without what names code of a repository."""
    from edgec.upstream.torchvision_ops import import_torchvision

    import_torchvision()  # transformers imports it
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    kind = given["model_type"]
    if kind not in transformers.CONFIG_MAPPING:
        if "auto_map" in given:
            message = f"the model type {kind!r} is code of its repository, and edgec never runs that"
            raise weights.refused(message, "copy the code into the project and use `source: python`")
        close = nearest(kind, list(transformers.CONFIG_MAPPING.keys()))
        raise weights.refused(f"transformers has no model type {kind!r}", f"did you mean {close!r}?" if close else None)
    own = {key: value for key, value in given.items() if key != "auto_map"}
    try:
        return transformers.CONFIG_MAPPING[kind].from_dict(own)
    # Each model type checks its own configuration, and raises what it likes.
    except Exception as error:
        if exhausted(error):
            raise
        raise weights.refused(f"the configuration is not one of {kind}: {first_line(error)}") from None


def _untrained(options: Options, config: Any, seed: int) -> Any:
    """The model with random weights. Raises Failure ``model-not-loaded``."""
    import torch
    import transformers

    name = options.get("class", "AutoModel")
    try:
        build = getattr(transformers, name).from_config
        return seeded(seed, lambda: build(config, trust_remote_code=False, dtype=torch.float32))
    # Constructors of hundreds of architectures raise what they like about a configuration that they cannot take.
    except Exception as error:
        if exhausted(error):
            raise
        raise weights.refused(f"transformers cannot build {name} of {config.model_type}: {first_line(error)}") from None


def _trained(kind: Any, config: Any, state: dict[str, torch.Tensor], shown: str) -> Any:
    """The model filled by transformers itself, which knows older names of layers. Raises Failure ``model-not-loaded``.

    Tensors that this class has no use for (another task's head) may be left over; none may be missing.
    """
    import torch

    try:
        model, found = kind.from_pretrained(
            None, config=config, state_dict=state, dtype=torch.float32, output_loading_info=True
        )
    except RuntimeError as error:
        raise weights.refused(f"the weights in {shown} do not fit the model: {first_line(error)}") from None
    if absent := sorted(found["missing_keys"]):
        message = f"the weights in {shown} do not fit {kind.__name__}: {len(absent)} missing from the file, first {absent[0]}"
        raise weights.refused(message, "take the class that the weights were trained for")
    return model


def _plain(model: Any, options: Options) -> torch.nn.Module:
    """The model with tensors in and a dict of tensors out, instead of named arguments and a ModelOutput."""
    import torch

    feeds = list(options.get("feeds", [model.main_input_name]))
    kept = options.get("outputs")

    class Plain(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: torch.Tensor) -> dict[str, torch.Tensor]:
            if len(values) != len(feeds):
                raise ValueError(
                    f"{len(values)} inputs for {len(feeds)} arguments ({', '.join(feeds)}): name them in model.feeds"
                )
            given = dict(zip(feeds, values, strict=True))
            found = {name: value for name, value in self.model(**given, return_dict=True).items() if value is not None}
            if kept and (unknown := [name for name in kept if name not in found]):
                raise ValueError(f"the model gives no {unknown[0]!r}, only {', '.join(found)}: correct model.outputs")
            return {name: found[name] for name in kept} if kept else found

    return Plain().eval()
