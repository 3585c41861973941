"""The surface a card is drawn on: themes, fonts, and shapes in points at twice the pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont

SCALE: Final = 2
COMPRESSION: Final = 3
CJK_FROM: Final = 0x2E80  #: the first code point that Inter leaves to Noto Sans CJK
Colour = tuple[int, int, int]
Anchor = Literal["l", "m", "r"]


@dataclass(frozen=True)
class Theme:
    """Colours by what they mean."""

    name: str
    ground: Colour
    panel: Colour
    line: Colour
    ink: Colour
    dim: Colour
    faint: Colour
    long: Colour
    short: Colour
    accent: Colour
    warning: Colour

    def side(self, side: str | None) -> Colour:
        return self.long if side == "long" else self.short if side == "short" else self.accent


DARK: Final = Theme(
    name="dark",
    ground=(11, 14, 20),
    panel=(19, 24, 34),
    line=(38, 46, 61),
    ink=(236, 240, 247),
    dim=(147, 159, 180),
    faint=(90, 102, 124),
    long=(38, 194, 129),
    short=(244, 77, 97),
    accent=(86, 156, 255),
    warning=(245, 178, 66),
)
LIGHT: Final = Theme(
    name="light",
    ground=(246, 248, 251),
    panel=(255, 255, 255),
    line=(222, 227, 236),
    ink=(18, 25, 38),
    dim=(92, 104, 124),
    faint=(156, 166, 183),
    long=(9, 148, 94),
    short=(214, 43, 66),
    accent=(33, 111, 219),
    warning=(191, 121, 8),
)


def theme_of(name: str) -> Theme:
    return LIGHT if name == "light" else DARK


def blend(front: Colour, back: Colour, share: float) -> Colour:
    """Return *front* over *back* at *share* opacity."""
    return tuple(round(f * share + b * (1 - share)) for f, b in zip(front, back, strict=True))  # type: ignore[return-value]


@lru_cache(maxsize=2)
def _palette(theme: Theme) -> Image.Image:
    """Return an image with the theme's 64 colours: every one of its own, and what their edges blend to."""
    strong = (theme.ink, theme.dim, theme.faint, theme.long, theme.short, theme.accent, theme.warning)
    colours: dict[Colour, None] = dict.fromkeys((theme.ground, theme.panel, theme.line, *strong))
    for share in (0.5, 0.14, 0.75, 0.28):
        for colour in strong:
            colours.setdefault(blend(colour, theme.panel, share))
    for share in (0.5, 0.75, 0.28):
        for colour in strong:
            colours.setdefault(blend(colour, theme.ground, share))
    chosen = list(colours)[:64]
    chosen += [theme.ground] * (64 - len(chosen))
    image = Image.new("P", (1, 1))
    image.putpalette([part for colour in chosen for part in colour])
    return image


@lru_cache(maxsize=64)
def font(size: int, weight: int, wide: bool) -> ImageFont.FreeTypeFont:
    """Return Inter, or Noto Sans CJK for what Inter lacks."""
    if wide:
        path = resources.files("manimgx_fonts_cjk") / "NotoSansCJK-VF.otf.ttc"
        made = ImageFont.truetype(
            str(path), size * SCALE, index=2, layout_engine=ImageFont.Layout.BASIC
        )  # the collection's Simplified Chinese
        made.set_variation_by_axes([weight])
    else:
        path = resources.files("fontpkg_inter") / "files" / "Inter[opsz,wght].ttf"
        made = ImageFont.truetype(str(path), size * SCALE, layout_engine=ImageFont.Layout.BASIC)
        made.set_variation_by_axes([min(32, max(14, size)), weight])
    return made


@lru_cache(maxsize=2_048)
def length(text: str, size: int, weight: int, wide: bool) -> float:
    """Return the width of a run of one font, in points."""
    return font(size, weight, wide).getlength(text) / SCALE


def runs(text: str) -> list[tuple[str, bool]]:
    """Split *text* into runs of one font each: (characters, whether they need the wide font)."""
    found: list[tuple[str, bool]] = []
    for mark in text:
        wide = ord(mark) >= CJK_FROM
        if found and found[-1][1] == wide:
            found[-1] = (found[-1][0] + mark, wide)
        else:
            found.append((mark, wide))
    return found


class Canvas:
    """A picture of *width* × *height* points."""

    def __init__(self, width: float, height: float, theme: Theme) -> None:
        self.width, self.height, self.theme = width, height, theme
        self._image = Image.new("RGB", (round(width * SCALE), round(height * SCALE)), theme.ground)
        self._draw = ImageDraw.Draw(self._image)

    def box(self, x: float, y: float, width: float, height: float, fill: Colour, radius: float = 0) -> None:
        """Fill a rectangle, its corners rounded by *radius*."""
        if width <= 0 or height <= 0:
            return
        corners = (x * SCALE, y * SCALE, (x + width) * SCALE - 1, (y + height) * SCALE - 1)
        if corners[2] < corners[0] or corners[3] < corners[1]:
            return
        if radius:
            self._draw.rounded_rectangle(corners, min(radius, width / 2, height / 2) * SCALE, fill=fill)
        else:
            self._draw.rectangle(corners, fill=fill)

    def line(self, x1: float, y1: float, x2: float, y2: float, fill: Colour, width: float = 1) -> None:
        self._draw.line((x1 * SCALE, y1 * SCALE, x2 * SCALE, y2 * SCALE), fill=fill, width=round(width * SCALE))

    def dashes(self, x1: float, x2: float, y: float, fill: Colour, *, dash: float = 4, gap: float = 3) -> None:
        """Draw a horizontal dashed line."""
        x = x1
        while x < x2:
            self.box(x, y - 0.5, min(dash, x2 - x), 1, fill)
            x += dash + gap

    def polygon(self, points: list[tuple[float, float]], fill: Colour) -> None:
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=fill)

    def measure(self, text: str, size: int, weight: int = 400) -> float:
        """Return the text's width in points."""
        return sum(length(part, size, weight, wide) for part, wide in runs(text))

    def text(
        self, x: float, y: float, text: str, size: int, fill: Colour, *, weight: int = 400, anchor: Anchor = "l"
    ) -> float:
        """Write *text* with its middle line at *y*; return its width in points."""
        width = self.measure(text, size, weight)
        left = x - (width if anchor == "r" else width / 2 if anchor == "m" else 0)
        # both fonts on Inter's baseline, a third of the capitals' height below the middle
        baseline = (y + size * 0.363) * SCALE
        for part, wide in runs(text):
            used = font(size, weight, wide)
            self._draw.text((left * SCALE, baseline), part, font=used, fill=fill, anchor="ls")
            left += length(part, size, weight, wide)
        return width

    def fitted(
        self, x: float, y: float, text: str, size: int, fill: Colour, room: float, *, weight: int = 400
    ) -> float:
        """Write *text* from *x* on, smaller or clipped where *room* is short; return its width."""
        while size > 11 and self.measure(text, size, weight) > room:
            size -= 1
        while len(text) > 1 and self.measure(text, size, weight) > room:
            text = text[:-2] + "…"
        return self.text(x, y, text, size, fill, weight=weight)

    def chip(
        self, x: float, y: float, text: str, fill: Colour, ink: Colour, *, size: int = 12, anchor: Anchor = "l"
    ) -> float:
        """Write *text* in a pill whose middle is at *y*; return the pill's width."""
        width = self.measure(text, size, 700) + size * 1.2
        left = x - (width if anchor == "r" else width / 2 if anchor == "m" else 0)
        self.box(left, y - size * 0.85, width, size * 1.7, fill, radius=size * 0.5)
        self.text(left + width / 2, y, text, size, ink, weight=700, anchor="m")
        return width

    def tick(self, x: float, y: float, passed: bool) -> None:
        """Draw a check mark or a cross around (x, y)."""
        if passed:
            self._joined([(x - 4, y), (x - 1.3, y + 3), (x + 4, y - 3.5)], self.theme.long)
        else:
            self._joined([(x - 3, y - 3), (x + 3, y + 3)], self.theme.short)
            self._joined([(x - 3, y + 3), (x + 3, y - 3)], self.theme.short)

    def _joined(self, points: list[tuple[float, float]], fill: Colour) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, fill=fill, width=round(1.8 * SCALE), joint="curve")

    def triangle(self, x: float, y: float, up: bool, fill: Colour, size: float = 5) -> None:
        """Draw a small triangle around (x, y)."""
        tip, base = (-size, size * 0.7) if up else (size, -size * 0.7)
        self.polygon([(x, y + tip), (x - size, y + base), (x + size, y + base)], fill)

    def png(self) -> bytes:
        """Return the picture with 64 colours."""
        stream = io.BytesIO()
        reduced = self._image.quantize(palette=_palette(self.theme), dither=Image.Dither.NONE)
        reduced.save(stream, "PNG", compress_level=COMPRESSION, bits=8)
        return stream.getvalue()
