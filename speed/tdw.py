"""ThreeDWorld's protocol: milliseconds an image of commands, messages and measuring, against a stand-in for the build,
in a process of its own, that draws nothing and answers with the same pictures again.

    python -m speed.tdw [--quick]

`decode_ms` is what reading the PNG files takes besides; `alternative` is a bare exchange of as many messages. A scene
of one object takes two frames; three where its box leaves the picture, and one more for a new model. The fastest of the
parts that the images are cut into counts, because other programs slow down the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.render.studio import Recipe, Studio
from mlspatial.render.tdw import answers, build
from speed.common import peak_mib, report

SIZE = 256
PART = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    n = 200 if parser.parse_args().quick else 1000
    try:
        build.package.installed()
    except UserError as error:
        report([{"case": "tdw_protocol", "ours": None, "unit": str(error)}])
        return
    from tests.render.builds import free_port
    from tests.render.standin import write_library

    with tempfile.TemporaryDirectory() as folder:
        library, world = write_library(Path(folder)), Path(folder) / "world.json"
        world.write_text(json.dumps({"blank": True}))
        os.environ[build.PORT] = str(free_port())
        command = [sys.executable, "-m", "tests.render.standin", f"-port={os.environ[build.PORT]}"]
        standin = subprocess.Popen(command, env=os.environ | {"STANDIN": str(world)})
        try:
            report([time_protocol(library, n)])
        finally:
            standin.kill()
            standin.wait()


def time_protocol(library: Path, n: int) -> dict[str, Any]:
    categories = ("chair", "hammer", "teakettle")
    given = {"objects": f"tdw:{library}", "environments": "tdw:tdw_room,ruin", "renderer": "tdw"}
    studio = Studio(Recipe(n, 1, SIZE, 0, categories, **given))
    samples = [studio.sampler.draw(index) for index in range(n)]
    engine: Any = studio.renderer
    engine.render(studio.scenes(samples[:8]))  # connects, and has the stand-in make its pictures
    ask, frames = engine._build.ask, 0

    def counted(commands: Any) -> Any:
        nonlocal frames
        frames += 1
        return ask(commands)

    engine._build.ask = counted
    read, decoding = answers.picture, 0.0

    def timed(*given: Any) -> Any:
        nonlocal decoding
        start = time.perf_counter()
        try:
            return read(*given)
        finally:
            decoding += time.perf_counter() - start

    answers.picture = timed
    parts = []
    for first in range(0, n, PART):
        decoding, start = 0.0, time.perf_counter()
        engine.render(studio.scenes(samples[first : first + PART]))
        parts.append((time.perf_counter() - start - decoding, decoding))
    answers.picture = read
    ours, decode = min(parts)
    message = json.dumps([{"$type": "send_images", "ids": ["a"], "frequency": "once"}]).encode()
    exchanges = []
    for _ in range(frames):
        start = time.perf_counter()
        engine._build._send(message)
        engine._build._receive()
        exchanges.append(time.perf_counter() - start)
    engine.close()
    return {
        "case": f"tdw_protocol_{SIZE}px",
        "ours": round(1000 * ours / PART, 2),
        "alternative": round(1000 * float(np.median(exchanges)) * frames / n, 2),
        "unit": "milliseconds an image",
        "alternative_name": "as many messages, not decoded",
        "decode_ms": round(1000 * decode / PART, 2),
        "frames_an_image": round(frames / n, 2),
        "peak_mib": peak_mib(),
        "n": n,
    }


if __name__ == "__main__":
    main()
