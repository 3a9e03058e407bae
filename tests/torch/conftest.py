"""A project of tiny networks with data, shared by the tests that lower."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # plans.py


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Compute with one thread, as a job does: two workers with two each wait for one another."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def forgotten_nets():
    """Each test's project may have a nets.py of its own: a job is a process of its own, and these tests share one."""
    yield
    sys.modules.pop("nets", None)


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory) -> Path:
    """A folder with nets.py, pictures.npz (64 labelled [16, 16, 3]) and vectors.npz (64 of [16])."""
    from plans import NETS

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "nets.py").write_text(NETS)
    generator = np.random.default_rng(0)
    flat = np.repeat(generator.integers(0, 256, (64, 4, 4, 3)), 4, axis=1).repeat(4, axis=2)
    noisy = np.clip(flat + generator.normal(0, 20, (64, 16, 16, 3)), 0, 255).astype(np.float32)
    np.savez(folder / "pictures.npz", image=noisy, label=np.arange(64) % 10)
    np.savez(folder / "unscaled.npz", image=(noisy / 255).astype(np.float32), label=np.arange(64) % 10)
    np.savez(folder / "vectors.npz", x=generator.standard_normal((64, 16)).astype(np.float32))
    return folder
