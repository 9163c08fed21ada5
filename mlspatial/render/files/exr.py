"""OpenEXR files with named layers: which layer is the picture, and the file with that layer's channels plainly named.

OpenCV reads channels R, G, B by these names alone. A layer's channels are called `NAME.R` and so on; here all channels
get other names in the header, in the same order, so that the pixels need not be touched.
Source: OpenEXR, "File Layout" and "Technical Introduction" (attributes, channel lists, offset tables, layers).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

MAGIC = b"\x76\x2f\x31\x01"
HEAD = 1 << 22  # bytes that hold a header, of many layers with what a renderer writes about them, too
DEEP, PARTS = 0x800, 0x1000  # flags of the version field
FACTS = 16  # bytes behind a channel's name: pixel type, linearity, sampling
BY_NAME = (8, 9)  # compressions (DWAA, DWAB) that treat channels by what their names end in
#: What renderers call the layer with all the light in it, in small letters: Blender, Arnold and others.
BEAUTY = ("combined", "beauty", "rgba", "rgb", "image", "composite", "master")
#: Behind which of the three chosen channels another one stands, none to all: letters that sort there.
BETWEEN = "ACHS"  # A < B < C < G < H < R < S


class Unread(ValueError):
    """Why a file is not read, in words for the person whose file it is."""


@dataclass(frozen=True)
class Header:
    """window: left, top, right, low of the pixels; names, facts: of the channels; part: its name, "" for none;
    start, end: of the list's size field and behind it, stop: behind the header, in bytes."""

    flags: int
    window: tuple[int, int, int, int]
    compression: int
    part: str
    names: tuple[str, ...]
    facts: tuple[bytes, ...]
    start: int
    end: int
    stop: int


def header(data: bytes) -> Header:
    """The (first) header of a file. Raises Unread, or ValueError and struct.error for nonsense."""
    if data[:4] != MAGIC:
        raise Unread("it does not begin as an EXR file does")
    flags, at = struct.unpack_from("<I", data, 4)[0], 8
    found: dict[bytes, tuple[int, int]] = {}
    while data[at : at + 1] != b"\0":
        middle = data.index(b"\0", at)
        behind = data.index(b"\0", middle + 1)
        (length,) = struct.unpack_from("<i", data, behind + 1)
        first = behind + 5
        if length < 0 or first + length >= len(data):
            raise Unread("its header does not end")
        found[data[at:middle]] = (first, first + length)
        at = first + length
    missing = [name for name in (b"channels", b"dataWindow", b"compression") if name not in found]
    if missing:
        raise Unread(f"its header has no {missing[0].decode()}")
    first, end = found[b"channels"]
    names, facts, place = [], [], first
    while place < end - 1:
        behind = data.index(b"\0", place, end)
        names.append(data[place:behind].decode(errors="replace"))
        facts.append(data[behind + 1 : behind + 1 + FACTS])
        place = behind + 1 + FACTS
    window = struct.unpack_from("<4i", data, found[b"dataWindow"][0])
    begin, over = found.get(b"name", (0, 0))
    part = data[begin:over].decode(errors="replace")
    compression = data[found[b"compression"][0]]
    return Header(flags, window, compression, part, tuple(names), tuple(facts), first - 4, end, at + 1)


def is_plain(names: Sequence[str]) -> bool:
    """Whether OpenCV reads a file with these channels as it is."""
    return {"R", "G", "B"} <= set(names) or "Y" in names


def layers(names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """The layers that have channels R, G, B (or r, g, b): name -> indices of blue, green, red."""
    found: dict[str, dict[str, int]] = {}
    for index, name in enumerate(names):
        layer, _, channel = name.rpartition(".")
        found.setdefault(layer, {})[channel.upper()] = index
    return {layer: (c["B"], c["G"], c["R"]) for layer, c in found.items() if {"R", "G", "B"} <= set(c)}


def is_beauty(layer: str) -> bool:
    """Whether a layer's name says that all the light is in it; one without a name has it, too."""
    return not layer or layer.rpartition(".")[2].lower() in BEAUTY


def picture(head: Header) -> str:
    """The layer to read: the only one with colours, or the only one that is called as a beauty layer is.

    Raises Unread that names the layers, or the channels where there are no layers with colours.
    """
    known = layers(head.names)
    if not known:
        raise Unread(f"it has no channels R, G, B, but {_listed(head.names)}; save it as one layer")
    chosen = list(known) if len(known) == 1 else [layer for layer in known if is_beauty(layer)]
    if len(chosen) != 1:
        called = f"of which {_listed(chosen)} may be meant" if chosen else "none of them called combined or beauty"
        raise Unread(f"its layers are {_listed(list(known))}, {called}; save the one you mean as one layer")
    if head.flags & (DEEP | PARTS):
        kind = "deep" if head.flags & DEEP else "of several parts"
        raise Unread(f"it is {kind}, with the layer {chosen[0]}; save that as one layer")
    return chosen[0]


def unnamed(data: bytes, head: Header, layer: str) -> bytes:
    """The file with the layer's channels called R, G, B and the others out of OpenCV's way. Raises Unread."""
    chosen = layers(head.names)[layer]
    names = _renamed(head.names, chosen, by_layer=True)
    if list(names) != sorted(set(names)) and head.compression not in BY_NAME:
        names = _renamed(head.names, chosen, by_layer=False)
    if list(names) != sorted(set(names)) or list(head.names) != sorted(set(head.names)):
        raise Unread(f"the channels {_listed(head.names)} are in an order that is not read; save it as one layer")
    listed = b"".join(name.encode() + b"\0" + fact for name, fact in zip(names, head.facts, strict=True)) + b"\0"
    before = data[: head.start] + struct.pack("<i", len(listed)) + listed + data[head.end : head.stop]
    offsets = _offsets(data, head.stop)
    moved = [offset + len(before) - head.stop for offset in offsets]
    return before + struct.pack(f"<{len(moved)}Q", *moved) + data[head.stop + 8 * len(moved) :]


def _renamed(names: Sequence[str], chosen: tuple[int, int, int], *, by_layer: bool) -> tuple[str, ...]:
    """Names in the same order; what they end in stays. by_layer: channels of a layer stay together, too."""
    known = dict(zip(chosen, "BGR", strict=True))
    numbers: dict[str, int] = {}
    made = []
    for index, name in enumerate(names):
        layer, _, channel = name.rpartition(".")
        number = numbers.setdefault(layer, len(numbers)) if by_layer else index
        letter = BETWEEN[sum(index > one for one in chosen)]
        made.append(known.get(index, f"{letter}{number:04d}.{channel}"))
    return tuple(made)


def _offsets(data: bytes, start: int) -> list[int]:
    """Where the chunks of pixels begin: a table that ends where the first of them does."""
    found: list[int] = []
    first = len(data)
    while start + 8 * len(found) < first:
        (offset,) = struct.unpack_from("<Q", data, start + 8 * len(found))
        if not start < offset < len(data):
            raise Unread("it is not complete")
        found.append(offset)
        first = min(first, offset)
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
