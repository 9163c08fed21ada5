"""What the renderer's CUDA kernels need of a GPU, from compiling them: no GPU, driver or toolkit is needed.

    python -m speed.kernels [--arch 80 --arch 90 ...]

One JSON line an architecture and kernel: registers a thread; local, the bytes of a thread's own memory (arrays that
are indexed by a variable, and registers that did not fit); warps, of the most that a multiprocessor can hold, those
that fit beside each other with the kernel's threads a block. Sources: the cubin's own .nv.info section; NVIDIA's CUDA
C++ Programming Guide, technical specifications (65,536 registers a multiprocessor, given out by 256 a warp; 64 warps).
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import warp as wp

import mlspatial.render.warp as rooms
from mlspatial.render.warp.engine import BLOCK, BLOCKS
from speed.common import report

ARCHITECTURES = (80, 90, 100)  # A100, H100 and H200, B200
REGISTERS, GIVEN, MOST_WARPS, WARP = 65536, 256, 64, 32
KERNEL = "_cuda_kernel_forward"  # how Warp ends a kernel's name, behind a hash
VALUE, REGISTER_COUNT, FRAME_SIZE = 4, 0x2F, 0x11  # of .nv.info: a record with a size, and two of its kinds


@dataclass(frozen=True)
class Kernel:
    """One compiled kernel; see above."""

    module: str
    name: str
    arch: int
    registers: int
    local: int

    @property
    def warps(self) -> int:
        """Warps of blocks that fit on a multiprocessor at once, as far as registers say."""
        block = BLOCKS.get(self.name, BLOCK) // WARP
        of_warp = -(-self.registers * WARP // GIVEN) * GIVEN
        return min(MOST_WARPS, REGISTERS // (of_warp * block) * block)


def modules() -> list[ModuleType]:
    """The files of the renderer that have kernels."""
    found = [importlib.import_module(f"{rooms.__name__}.{one.name}") for one in pkgutil.iter_modules(rooms.__path__)]
    return [module for module in found if wp.get_module(module.__name__).kernels]


def compiled(module: ModuleType, arch: int) -> list[Kernel]:
    """A file's kernels, compiled for an architecture (90: sm_90). Raises whatever the compiler says."""
    with tempfile.TemporaryDirectory() as folder:
        wp.compile_aot_module(module, arch=arch, module_dir=folder)
        (cubin,) = Path(folder).glob("*.cubin")
        needs = dict(_needs(cubin.read_bytes()))
    names = [kernel.key for kernel in wp.get_module(module.__name__).kernels.values()]
    of = {name: next(values for symbol, values in needs.items() if symbol.startswith(f"{name}_")) for name in names}
    return [Kernel(module.__name__, n, arch, of[n][REGISTER_COUNT], of[n].get(FRAME_SIZE, 0)) for n in names]


def _needs(cubin: bytes) -> Iterator[tuple[str, dict[int, int]]]:
    """(kernel's symbol, kind of record -> value) of an ELF file with CUDA code."""
    start, (size, count, named) = *struct.unpack_from("<Q", cubin, 0x28), struct.unpack_from("<HHH", cubin, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", cubin, start + i * size) for i in range(count)]
    sections = {_text(cubin, headers[named][4] + header[0]): header for header in headers}
    symbols, texts, (_, _, _, _, place, length, *_) = (sections[n] for n in (".symtab", ".strtab", ".nv.info"))
    found: dict[str, dict[int, int]] = {}
    end = place + length
    while place < end:
        form, kind, held = struct.unpack_from("<BBH", cubin, place)
        if form == VALUE and kind in (REGISTER_COUNT, FRAME_SIZE):
            symbol, value = struct.unpack_from("<II", cubin, place + 4)
            (name,) = struct.unpack_from("<I", cubin, symbols[4] + 24 * symbol)
            found.setdefault(_text(cubin, texts[4] + name), {})[kind] = value
        place += 4 + (held if form == VALUE else 0)
    for name, values in found.items():
        if name.endswith(KERNEL):
            yield name, values


def _text(data: bytes, place: int) -> str:
    return data[place : data.index(b"\0", place)].decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", type=int, action="append")
    for arch in parser.parse_args().arch or ARCHITECTURES:
        for module in modules():
            lines = [{**asdict(one), "warps": one.warps, "of": MOST_WARPS} for one in compiled(module, arch)]
            report([{"case": "cuda_kernel", **line} for line in lines])


if __name__ == "__main__":
    main()
