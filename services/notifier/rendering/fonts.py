"""Which font draws which character: Inter first, then a Noto font for each script that Inter lacks."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

from PIL import ImageFont, features

SCALE: Final = 2  #: pixels a point
PROBE: Final = 20  #: size at which a glyph is looked for, points
ABSENT: Final = "\U0010ffff"  #: no font has a glyph for it


@dataclass(frozen=True)
class Face:
    """A variable font in a package."""

    package: str
    file: str
    index: int = 0  #: in a collection
    shaped: bool = False  #: its letters depend on their neighbours, or run from right to left

    @property
    def layout(self) -> ImageFont.Layout:
        return ImageFont.Layout.RAQM if self.shaped and features.check("raqm") else ImageFont.Layout.BASIC


INTER: Final = Face("fontpkg_inter", "files/Inter[opsz,wght].ttf")
FACES: Final = (
    INTER,
    Face("fontpkg_noto_sans_thai", "files/NotoSansThai[wdth,wght].ttf", shaped=True),
    Face("fontpkg_noto_sans_arabic", "files/NotoSansArabic[wdth,wght].ttf", shaped=True),
    Face("fontpkg_noto_sans_devanagari", "files/NotoSansDevanagari[wdth,wght].ttf", shaped=True),
    Face("manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc", index=2),  # the collection's Simplified Chinese
)


@lru_cache(maxsize=128)
def font(face: Face, size: int, weight: int) -> ImageFont.FreeTypeFont:
    """Return *face* at *size* points; without the library FriBiDi on the machine its letters are not joined."""
    path = resources.files(face.package).joinpath(face.file)
    made = ImageFont.truetype(str(path), size * SCALE, index=face.index, layout_engine=face.layout)
    wanted = {b"Weight": weight, b"Optical size": min(32, max(14, size))}
    axes = [(axis["name"], axis["default"] or 0) for axis in made.get_variation_axes()]
    made.set_variation_by_axes([wanted.get(name, default) for name, default in axes])
    return made


@lru_cache(maxsize=2_048)
def length(text: str, face: Face, size: int, weight: int) -> float:
    """Return the width of a run of one face, in points."""
    return font(face, size, weight).getlength(text) / SCALE


@lru_cache(maxsize=2_048)
def runs(text: str) -> tuple[tuple[str, Face], ...]:
    """Split *text* into runs of one face each; what no font can draw is spelled as its code point."""
    if text.isascii():
        return ((text, INTER),)
    found: list[tuple[str, Face]] = []
    face: Face | None = INTER
    for mark in text:
        face = face if _follows(mark) else face_of(mark)
        part, drawn_by = (mark, face) if face else (f"[{ord(mark):04X}]", INTER)
        if found and found[-1][1] == drawn_by:
            part = found.pop()[0] + part
        found.append((part, drawn_by))
    return tuple(found)


def _follows(mark: str) -> bool:
    """Return whether *mark* belongs to the character before it: a combining sign, a joiner, a selector."""
    return unicodedata.category(mark) in ("Mn", "Mc", "Me", "Cf")


@lru_cache(maxsize=4_096)
def face_of(mark: str) -> Face | None:
    """Return the first face that has a glyph for *mark*; None when none has."""
    return next((face for face in FACES if _ink(face, mark) != _ink(face, ABSENT)), None)


@lru_cache(maxsize=1_024)
def _ink(face: Face, mark: str) -> bytes:
    return bytes(font(face, PROBE, 400).getmask(mark))
