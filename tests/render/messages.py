"""The parts of a build's answers, made with the builders of the package `tdw` itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import tdw.flatbuffers
from PIL import Image
from tdw.FBOutput import (
    ImagePass,
    Images,
    LogMessage,
    MessageType,
    PassMask,
    QuitSignal,
    SceneRegion,
    SceneRegions,
    SegmentationColors,
)
from tdw.flatbuffers.number_types import Uint8Flags


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def raw_depth(depth: np.ndarray, near: float, far: float) -> bytes:
    """A _depth pass: rows from below, of each pixel three bytes of its share of the clipping range, the highest first.

    depth: (size, size) metres, inf where nothing is.
    """
    steps = np.where(np.isfinite(depth), depth / (far - near), 1.0) * 2**24
    whole = np.clip(np.round(steps), 0, 2**24 - 1).astype(np.uint32)[::-1]
    return np.stack([whole >> 16, whole >> 8 & 255, whole & 255], axis=-1).astype(np.uint8).tobytes()


def _finish(builder: Any, root: int, kind: str) -> bytes:
    """With the four letters that tell the kind, which the package's own Finish leaves out."""
    builder.Prep(builder.minalign, 8)
    for letter in reversed(kind.encode()):
        builder.Place(letter, Uint8Flags)
    builder.PrependUOffsetTRelative(root)
    builder.finished = True
    return bytes(builder.Output())


def version_part(version: str) -> bytes:
    """Not a FlatBuffer: kind, a byte, the length of the version, the version, the version of Unity."""
    return b"\0\0\0\0vers\x01" + bytes([len(version)]) + version.encode() + b"2020.3.24f1"


def images_part(encoded: dict[str, bytes], size: int) -> bytes:
    builder = tdw.flatbuffers.Builder(1024 + sum(map(len, encoded.values())))
    passes = []
    for name, data in encoded.items():
        vector = builder.CreateByteVector(data)
        ImagePass.ImagePassStart(builder)
        ImagePass.ImagePassAddPassMask(builder, getattr(PassMask.PassMask, name))
        ImagePass.ImagePassAddImage(builder, vector)
        ImagePass.ImagePassAddExtension(builder, 1)
        passes.append(ImagePass.ImagePassEnd(builder))
    Images.ImagesStartPassesVector(builder, len(passes))
    for offset in reversed(passes):
        builder.PrependUOffsetTRelative(offset)
    vector = builder.EndVector(len(passes))
    avatar, sensor = builder.CreateString("a"), builder.CreateString("SensorContainer")
    Images.ImagesStart(builder)
    Images.ImagesAddAvatarId(builder, avatar)
    Images.ImagesAddSensorName(builder, sensor)
    Images.ImagesAddWidth(builder, size)
    Images.ImagesAddHeight(builder, size)
    Images.ImagesAddPasses(builder, vector)
    return _finish(builder, Images.ImagesEnd(builder), "imag")


def colors_part(colors: dict[int, tuple[int, int, int]]) -> bytes:
    builder = tdw.flatbuffers.Builder(256)
    SegmentationColors.SegmentationColorsStartColorsVector(builder, 3 * len(colors))
    for value in reversed([value for color in colors.values() for value in color]):
        builder.PrependInt32(value)
    values = builder.EndVector(3 * len(colors))
    SegmentationColors.SegmentationColorsStartIdsVector(builder, len(colors))
    for number in reversed(colors):
        builder.PrependInt32(number)
    numbers = builder.EndVector(len(colors))
    SegmentationColors.SegmentationColorsStart(builder)
    SegmentationColors.SegmentationColorsAddIds(builder, numbers)
    SegmentationColors.SegmentationColorsAddColors(builder, values)
    return _finish(builder, SegmentationColors.SegmentationColorsEnd(builder), "segm")


def regions_part(regions: Sequence[Sequence[float]]) -> bytes:
    builder = tdw.flatbuffers.Builder(256)
    SceneRegions.SceneRegionsStartRegionsVector(builder, len(regions))
    for number, region in reversed(list(enumerate(regions))):
        SceneRegion.CreateSceneRegion(builder, number, *region)
    vector = builder.EndVector(len(regions))
    SceneRegions.SceneRegionsStart(builder)
    SceneRegions.SceneRegionsAddRegions(builder, vector)
    return _finish(builder, SceneRegions.SceneRegionsEnd(builder), "sreg")


def log_part(text: str) -> bytes:
    builder = tdw.flatbuffers.Builder(256)
    message, kind = builder.CreateString(text), builder.CreateString("AddObject")
    LogMessage.LogMessageStart(builder)
    LogMessage.LogMessageAddMessage(builder, message)
    LogMessage.LogMessageAddMessageType(builder, MessageType.MessageType.error)
    LogMessage.LogMessageAddObjectType(builder, kind)
    return _finish(builder, LogMessage.LogMessageEnd(builder), "logm")


def quit_part(ok: bool) -> bytes:
    builder = tdw.flatbuffers.Builder(64)
    QuitSignal.QuitSignalStart(builder)
    QuitSignal.QuitSignalAddOk(builder, ok)
    return _finish(builder, QuitSignal.QuitSignalEnd(builder), "quit")


def unheard_part() -> bytes:
    """The package has no builder for it: what counts are the letters."""
    return b"\0\0\0\0ftre"
