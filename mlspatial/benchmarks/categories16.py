"""Entry-level categories as groups of ImageNet's 1,000 classes."""

from __future__ import annotations


def _between(first: int, last: int, but: tuple[int, ...] = ()) -> tuple[int, ...]:
    return tuple(number for number in range(first, last + 1) if number not in but)


#: category -> numbers of ImageNet's classes, from 0. Source: Geirhos et al. 2018, from WordNet; as in the authors' code
SIXTEEN: dict[str, tuple[int, ...]] = {
    "airplane": (404,),
    "bear": _between(294, 297),
    "bicycle": (444, 671),
    "bird": (
        *(8, *_between(10, 24, (17, 21)), *_between(80, 100, (84, 85, 86, 97))),
        *_between(127, 145, (134,)),
    ),
    "boat": (472, 554, 625, 814, 914),
    "bottle": (440, 720, 737, 898, 899, 901, 907),
    "car": (436, 511, 817),
    "cat": _between(281, 286),
    "chair": (423, 559, 765, 857),
    "clock": (409, 530, 892),
    "dog": _between(152, 268, (192, 204, 227, 242, 251, 258, 260, 264)),
    "elephant": (385, 386),
    "keyboard": (508, 878),
    "knife": (499,),
    "oven": (766,),
    "truck": (555, 569, 656, 675, 717, 734, 864, 867),
}
