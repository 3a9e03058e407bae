"""What stays outside the delegate, or in float between integers, in torchvision's networks, without and with each rewrite.

Prints a Markdown table: portable kernel calls, delegates, delegated calls in float, bytes of the ``.pte`` and the least
milliseconds of this machine. ``--left`` lists the operators that stay, with the partitioner's reasons. Weights are
seeded and untrained; the counts depend on shapes and types alone.
"""

import argparse
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import torch

from edgec.artifacts.manifest import Choice
from edgec.registry import REWRITES, plugin, rewrite_module
from edgec.rewrites.graph import duplicate
from edgec.runtime.program import read_program
from edgec.stages.lower import compute_operators, narrowed, refusals, uncollected
from edgec.stages.quantize import export
from edgec.stages.rewrite import suitable
from edgec.upstream.torchvision_ops import import_torchvision

SMALL_VIT = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 4, "hidden_dim": 64, "mlp_dim": 128}


def network(name: str, size: int):
    import_torchvision()
    from torchvision import models

    torch.manual_seed(0)
    if name == "small_vit":
        return models.VisionTransformer(**SMALL_VIT).eval(), (torch.randn(1, 3, 32, 32),)
    return models.get_model(name, weights=None).eval(), (torch.randn(1, 3, size, size),)


class Deployed(torch.nn.Module):
    """Answers with a tuple, as the models that edgec lowers do."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return (self.model(x),)


def rewritten(plan, program):
    fired, changed = [], duplicate(program)
    for name in suitable(plan):
        places = rewrite_module(name).rewrite(changed)
        fired += [f"{name} {len(places)}"] if places else []
    return changed, fired


def quantized(plan, program, model, example):
    recipe = plugin("recipes", plan.recipe.name)
    material = SimpleNamespace(
        delegate_options={},
        model=model,
        example=example,
        dynamic=None,
        graph_dynamic=None,
        calibration=lambda: [example],
        say=print,
        record=lambda *given: None,
    )
    return recipe.quantize(program, material, plugin("delegates", "xnnpack"), {})


def lowered(program, narrow: bool):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with uncollected(), narrowed(narrow), refusals() as reasons:
        edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        graph_module = edge.exported_program().graph_module
        return bytes(edge.to_executorch().buffer), compute_operators(graph_module, reasons), in_float(graph_module)


def in_float(graph_module) -> Counter[str]:
    """Count the delegated calls that XNNPACK computes in float: without integers on both sides, or without a kernel."""
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
    from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType

    configs = [config() for config in ALL_PARTITIONER_CONFIGS]
    integer = {item.target_name for item in configs if ConfigPrecisionType.STATIC_QUANT in item.supported_precision_types()}
    found: Counter[str] = Counter()
    for part in graph_module.graph.find_nodes(op="get_attr"):
        module = getattr(getattr(graph_module, part.target), "original_module", None)
        for node in module.graph.nodes if module else ():
            if node.op == "call_function" and not quantizing(node) and "getitem" not in str(node.target):
                name = node.target.__name__.removeprefix("aten.")
                between = all(quantizing(user) or "aten.relu.default" in str(user.target) for user in node.users)
                inputs = [item for item in node.all_input_nodes if item.op == "call_function"]
                if name not in integer or not between or not all(quantizing(item) for item in inputs):
                    found[name] += 1
    return found


def quantizing(node) -> bool:
    return node.op == "call_function" and "quantize_per" in str(node.target)


def milliseconds(data: bytes, example) -> float:
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(data)
    method = program.load_method("forward")
    times = []
    for _ in range(40):
        start = time.perf_counter()
        method.execute(list(example))
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def row(name: str, recipe: str, size: int, left: bool) -> None:
    model, example = network(name, size)
    model = Deployed(model)
    plan = SimpleNamespace(recipe=Choice(name=recipe), delegates=(Choice(name="xnnpack"),))
    exported = export(plan, model, example, None, Path.cwd())
    for label in ("without", "with"):
        program, fired = rewritten(plan, exported) if label == "with" else (exported, [])
        ready = quantized(plan, program, model, example)
        data, operators, floats = lowered(ready, recipe == "fp16" and label == "with")
        facts = read_program(data)
        cells = [name, recipe, label, sum(facts.kernels.values()), facts.delegates.get("XnnpackBackend", 0)]
        cells += [sum(floats.values()), len(data), f"{milliseconds(data, example):.2f}", ", ".join(fired)]
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
        if left:
            for operator in operators:
                if operator.left:
                    print(f"  {operator.name} {operator.left}: {operator.reason}")
            print(f"  in float: {dict(floats)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="torchvision names, or small_vit")
    parser.add_argument("--recipes", default="fp32,fp16,int8")
    parser.add_argument("--size", type=int, default=64, help="height and width of the input")
    parser.add_argument("--left", action="store_true", help="list what stays outside, with the reasons")
    given = parser.parse_args()
    print(f"rewrites: {', '.join(REWRITES)}\n")
    print("| network | recipe | rewrites | kernel calls | delegates | in float | bytes | ms | at places |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in given.models:
        for recipe in given.recipes.split(","):
            row(name, recipe, given.size, given.left)


if __name__ == "__main__":
    main()
