"""The renderer's CUDA kernels without a GPU: each is compiled for three architectures, and launched as on one."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import warp as wp

from mlspatial.render.mesh import Layers, Material
from mlspatial.render.warp import engine
from mlspatial.render.warp.engine import WarpRenderer
from speed.kernels import ARCHITECTURES, MOST_WARPS, compiled, modules
from tests.render.scenery import SIZE, random_scenes, several, sphere, sunny, uniform

MOST_REGISTERS = 255  # a thread; NVIDIA's CUDA C++ Programming Guide, technical specifications
LOCAL = 128  # bytes: more are registers that did not fit, or an array that ought to be smaller
RAYS = {"shade_layered": 512, "draw_opaque_shadow": 384}  # bytes with the stack by which rays find triangles
FEW = {"shade": 10, "shade_several": 16, "look": 16, "shade_layered": 8, "draw_opaque_shadow": 16}
FEWEST = 24  # warps of 64 that a multiprocessor holds, where FEW has no other


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_kernel_compiles_and_leaves_room(arch: int) -> None:
    found = [kernel for module in modules() for kernel in compiled(module, arch)]
    assert {kernel.name for kernel in found} == {
        kernel.key for module in modules() for kernel in wp.get_module(module.__name__).kernels.values()
    }
    assert {"shade", "transform", "draw_visibility", "hide_sky"} <= {kernel.name for kernel in found}
    for kernel in found:
        assert 16 <= kernel.registers <= MOST_REGISTERS and kernel.local <= RAYS.get(kernel.name, LOCAL), kernel
        assert FEW.get(kernel.name, FEWEST) <= kernel.warps <= MOST_WARPS, kernel


def test_a_kernel_with_an_array_of_its_own_is_seen_to_have_one() -> None:
    """That registers and local memory are read from the right places of the compiler's file."""
    from tests.render import kernels_of_known_size

    found = {kernel.name: kernel for kernel in compiled(kernels_of_known_size, 90)}
    assert found["small"].local == 0 and found["small"].registers < found["large"].registers
    assert found["large"].local >= kernels_of_known_size.BYTES


@cache
def glass() -> WarpRenderer:
    clear = Material((1.0, 1.0, 1.0), 0.1, layers=Layers(transmission=0.8, solid=True, coat=0.5))
    return WarpRenderer([sphere(clear)], [sunny(), uniform()], size=SIZE, chunk=4)


def test_one_item_a_thread_draws_what_strips_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU a thread takes one item, on the CPU a strip of them: the same picture, and every item has a thread."""
    batch = random_scenes(3, 2, 2)
    batch = replace(batch, ground=np.array([0.0, 1.5, 0.8]))
    expected, through = several().render(batch), glass().render(replace(batch, mesh=0 * batch.mesh))
    launched: dict[str, list[tuple[tuple[int, ...], Any]]] = {}
    launch = wp.launch

    def noted(kernel: Any, dim: int | tuple[int, ...], **more: Any) -> None:
        shape = (dim,) if isinstance(dim, int) else dim
        launched.setdefault(kernel.key, []).append((shape, more.get("block_dim", engine.BLOCK)))
        launch(kernel, dim=dim, **more)

    monkeypatch.setattr(engine, "STRIP", 1)
    monkeypatch.setattr(engine.wp, "launch", noted)
    found = several().render(batch)
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.visible, expected.visible)
    np.testing.assert_array_equal(glass().render(replace(batch, mesh=0 * batch.mesh)).images, through.images)
    assert launched["shade"] == [((3, SIZE, SIZE), engine.BLOCKS["shade"])]
    assert set(engine.BLOCKS) <= set(launched)
    for name, shapes in launched.items():
        for shape, block in shapes:
            assert block % 32 == 0 and 32 <= block <= 1024, name
            assert math.prod(shape) < 2**31, name
