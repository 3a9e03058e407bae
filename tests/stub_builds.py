"""Builds without torch: the real command line, cache, lock and writer around a STAND-IN for the lowering and the runner.

Nothing that comes out of such a build is a model; what is tested with it is what lies around one.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bundle_parts

MANIFEST = """\
apiVersion: edgec/v1
name: {name}
version: 1.0.0
model: {{source: torchvision, name: mobilenet_v2, weights: {{file: {weights}, sha256: "{sha256}"}}}}
inputs: [{{name: image, image: {{width: 2, height: 2}}}}]
task: {{name: classification, options: {{labels: ["0", "1"]}}}}
quantization: fp32
targets: [{targets}]
budgets: {{size: 2MB, latency: {{p90: 100ms}}}}
"""


def project(folder: Path, *names: str, targets: str = "linux-x86_64") -> Path:
    """Make a project with a manifest for each name, all with the same weights; return the folder of the manifests."""
    manifests = folder / "manifests"
    manifests.mkdir(parents=True)
    (folder / ".git").mkdir()
    (manifests / "weights.safetensors").write_bytes(b"not weights")
    for name in names:
        write_manifest(manifests, name, targets=targets)
    return manifests


def write_manifest(manifests: Path, name: str, weights: str = "weights.safetensors", targets: str = "linux-x86_64") -> Path:
    """Write one manifest, with the sha256 that its weights have now."""
    sha256 = hashlib.sha256((manifests / weights).read_bytes()).hexdigest()
    path = manifests / f"{name}.yaml"
    path.write_text(MANIFEST.format(name=name, weights=weights, sha256=sha256, targets=targets))
    return path


class Place:
    """A project, its cache, and the command line with the stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder / "project", folder / "project" / "out"
        self.manifests = project(self.folder, "one")
        self.log = folder / "lowerings"
        self.log.touch()

    def run(self, verb: str, *arguments: object, paths: tuple[str, ...] = ()) -> dict:
        named = [str(self.manifests / path) for path in paths] or [str(self.manifests)]
        from click.testing import CliRunner

        from edgec.cli import group

        done = CliRunner().invoke(
            group, [verb, *named, *map(str, arguments), "--output", "json"], standalone_mode=False, catch_exceptions=False
        )
        return json.loads(done.stdout)

    def statuses(self, *arguments: object, **named: tuple[str, ...]) -> list[str]:
        return [outcome["status"] for outcome in self.run("build", *arguments, **named)["outcomes"]]

    def lowered(self) -> list[str]:
        """Names of what was lowered since the last look."""
        names = [line.split()[0] for line in self.log.read_text().splitlines()]
        self.log.write_text("")
        return names

    def edit(self, old: str, new: str, name: str = "one") -> None:
        path = self.manifests / f"{name}.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


def install(patch: Callable[[Any, str, Any], None], log: Path) -> None:
    """Put the stand-ins in place with ``patch(module, name, value)``; each lowering adds a line to ``log``.

    Weights named ``broken…`` do not lower; ``$STUB_SECONDS`` is how long a lowering takes.
    """
    from edgec import baseline, built, sharing, trials, workshop
    from edgec.artifacts.bundle import Runner
    from edgec.artifacts.codec import to_json
    from edgec.diagnostics import Diagnostic, Failure
    from edgec.runtime.toolchain import Toolchain
    from edgec.stages import lock

    def lower(plan: Any, project: Any, folder: Path, say: Callable[[str], None], stop: Any = None, **more: Any) -> None:
        if plan.model.options["weights"]["file"].startswith("broken"):
            raise Failure(Diagnostic(code="lower-failed", message=f"{plan.name} does not lower"))
        time.sleep(float(os.environ.get("STUB_SECONDS", "0")))
        lowered = replace(bundle_parts.lowered(folder), recipe=plan.recipe.name, resolved={})
        (folder / "lowered.json").write_text(json.dumps(to_json(lowered)))
        say("lower 0.0 s")
        with log.open("a") as lines:
            lines.write(f"{plan.name} {plan.lowering_key}\n")

    class Shared:
        """Stands in for the process that several jobs fork from."""

        alive = True

        def __init__(self, plans: Any, project: Any, say: Callable[[str], None], stop: Any) -> None:
            pass

        def lower(self, plan: Any, project: Any, folder: Path, say: Callable[[str], None], stop: Any = None) -> None:
            lower(plan, project, folder, say)

        def close(self) -> None:
            pass

    place = log.parent / "stand-in"
    if not place.is_dir():
        bundle_parts.runner(place)
    made = Runner(executable=place / "edgec-run", libraries=(place / "libexecutorch.so",), toolchain={"compiler": "none"})
    figures = [figure for figure in bundle_parts.measured().figures if figure.clocked]
    tools = Toolchain(command=(), headers=(), libraries=(), stb=Path(), identity={"ziglang": "a stand-in"})
    patch(workshop.job, "run", lower)
    patch(sharing, "SharedJob", Shared)
    patch(workshop, "_compile_ahead", lambda *given: None)
    patch(workshop, "runner_for", lambda *given: made)
    patch(trials, "_measured", lambda *given: figures)
    patch(baseline, "pointless", lambda *given: ())
    patch(built, "runner_identity", lambda *given: "the stand-in")
    patch(lock, "known_toolchain", lambda *given: tools)


def main() -> None:
    """Run the command line with the stand-ins: ``python stub_builds.py LOG ARGUMENT…``."""
    from edgec.cli import main as command_line

    install(setattr, Path(sys.argv[1]))
    command_line(sys.argv[2:])


if __name__ == "__main__":
    main()
