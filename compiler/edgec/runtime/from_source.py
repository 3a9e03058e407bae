"""Delegates whose runtime no package has: what ExecuTorch's own CMake calls them, and what building them takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SourceBuild:
    """The options of ExecuTorch's CMake that build a delegate, the targets to link, and what is needed beside a compiler.

    ``backend`` is what the runtime calls it.
    """

    backend: str
    options: tuple[str, ...]
    targets: tuple[str, ...]
    needs: str = ""


FROM_SOURCE: Mapping[str, SourceBuild] = {
    "openvino": SourceBuild(
        backend="OpenvinoBackend",
        options=("EXECUTORCH_BUILD_OPENVINO",),
        targets=("openvino_backend",),
        needs="OpenVINO's libraries at run time",
    ),
    # Its runtime takes Vulkan's platform from the Vulkan delegate, and Arm's own build scripts turn both on.
    "vgf": SourceBuild(
        backend="VgfBackend",
        options=("EXECUTORCH_BUILD_VULKAN", "EXECUTORCH_BUILD_VGF"),
        targets=("vulkan_backend", "vgf_backend"),
        needs="glslc, Arm's VGF library, and a driver (or Arm's emulation layer) with the ML extensions for Vulkan",
    ),
    "vulkan": SourceBuild(
        backend="VulkanBackend",
        options=("EXECUTORCH_BUILD_VULKAN",),
        targets=("vulkan_backend",),
        needs="glslc for the shaders, a Vulkan driver",
    ),
    "webgpu": SourceBuild(
        backend="VulkanBackend",
        options=("EXECUTORCH_BUILD_WEBGPU",),
        targets=("webgpu_backend",),
        needs="glslc, and Dawn (-DDawn_DIR=PATH of its CMake package)",
    ),
    "xnnpack": SourceBuild(
        backend="XnnpackBackend", options=("EXECUTORCH_BUILD_XNNPACK",), targets=("xnnpack_backend",)
    ),
}
"""By the delegate's name: Vulkan and WebGPU share the format and its id, and one program links one of them.

From ExecuTorch's documentation and build files; nothing here was built of a checkout, which no package registry has.
"""
