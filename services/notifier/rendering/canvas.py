"""The canvas of a card: themes, text and smooth shapes, in points of two pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from PIL import Image, ImageDraw

from services.notifier.rendering.fonts import SCALE, font, length, runs

COMPRESSION: Final = 3
FINE: Final = 4  #: stencils are drawn so much larger, then reduced: smooth edges
Points = tuple[tuple[float, float], ...]
Colour = tuple[int, int, int]
Anchor = Literal["l", "m", "r"]


@dataclass(frozen=True)
class Theme:
    """Colours by their meaning; each has a contrast of at least 4.5 to 1 with the panel."""

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

    def sign(self, change: float | None) -> Colour:
        """Return the colour of a gain, a loss or an unknown change."""
        return self.dim if change is None else self.long if change >= 0 else self.short


DARK: Final = Theme(
    name="dark",
    ground=(11, 14, 20),
    panel=(19, 24, 34),
    line=(38, 46, 61),
    ink=(236, 240, 247),
    dim=(160, 171, 190),
    faint=(118, 130, 153),
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
    dim=(74, 86, 106),
    faint=(106, 118, 138),
    long=(8, 134, 85),
    short=(214, 43, 66),
    accent=(33, 111, 219),
    warning=(166, 104, 5),
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
def _disc(radius: int) -> Image.Image:
    """Return a disc's coverage, *radius* in pixels; its quarters are the corners of boxes."""
    size = 2 * radius * FINE
    image = Image.new("L", (size, size))
    ImageDraw.Draw(image).ellipse((0, 0, size - 1, size - 1), fill=255)
    return image.reduce(FINE)


@lru_cache(maxsize=64)
def _stencil(points: Points, size: float, width: float = 0.0) -> Image.Image:
    """Return the coverage of a polygon, or of a line of *width* through *points*, in ±*size* points."""
    zoom = SCALE * FINE
    image = Image.new("L", (round(2 * size * zoom), round(2 * size * zoom)))
    scaled = [((x + size) * zoom, (y + size) * zoom) for x, y in points]
    draw = ImageDraw.Draw(image)
    if width:
        draw.line(scaled, fill=255, width=round(width * zoom), joint="curve")
    else:
        draw.polygon(scaled, fill=255)
    return image.reduce(FINE)


class Canvas:
    """A picture of *width* × *height* points."""

    def __init__(self, width: float, height: float, theme: Theme) -> None:
        self.width, self.height, self.theme = width, height, theme
        self._image = Image.new("RGB", (round(width * SCALE), round(height * SCALE)), theme.ground)
        self._draw = ImageDraw.Draw(self._image)

    @property
    def inverse(self) -> Colour:
        """The colour of text on a coloured ground."""
        return self.theme.ground if self.theme.name == "dark" else self.theme.panel

    def box(self, x: float, y: float, width: float, height: float, fill: Colour, radius: float = 0) -> None:
        """Fill a rectangle, its corners rounded by *radius*."""
        if width <= 0 or height <= 0:
            return
        left, top, right, bottom = x * SCALE, y * SCALE, (x + width) * SCALE - 1, (y + height) * SCALE - 1
        if right < left or bottom < top:
            return
        if radius:
            self._rounded(round(left), round(top), round(right) + 1, round(bottom) + 1, round(radius * SCALE), fill)
        else:
            self._draw.rectangle((left, top, right, bottom), fill=fill)

    def _rounded(self, left: int, top: int, right: int, bottom: int, radius: int, fill: Colour) -> None:
        corner = max(1, min(radius, (right - left) // 2, (bottom - top) // 2))
        across = (left + corner, top, right - corner - 1, bottom - 1)
        upright = (left, top + corner, right - 1, bottom - corner - 1)
        for x1, y1, x2, y2 in (across, upright):
            if x1 <= x2 and y1 <= y2:
                self._draw.rectangle((x1, y1, x2, y2), fill=fill)
        disc = _disc(corner)
        for x, column in ((left, 0), (right - corner, corner)):
            for y, row in ((top, 0), (bottom - corner, corner)):
                quarter = disc.crop((column, row, column + corner, row + corner))
                self._image.paste(fill, (x, y, x + corner, y + corner), quarter)

    def dashes(self, x1: float, x2: float, y: float, fill: Colour, *, dash: float = 4, gap: float = 3) -> None:
        """Draw a horizontal dashed line."""
        x = x1
        while x < x2:
            self.box(x, y - 0.5, min(dash, x2 - x), 1, fill)
            x += dash + gap

    def measure(self, text: str, size: int, weight: int = 400) -> float:
        """Return the text's width in points."""
        return sum(length(part, face, size, weight) for part, face in runs(text))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int,
        fill: Colour,
        *,
        weight: int = 400,
        anchor: Anchor = "l",
        halo: Colour | None = None,
    ) -> float:
        """Write *text* with its middle line at *y*, clear of what is below it by a *halo*; return its width."""
        width = self.measure(text, size, weight)
        left = x - (width if anchor == "r" else width / 2 if anchor == "m" else 0)
        # every font on Inter's baseline, a third of the capitals' height below the middle
        baseline = (y + size * 0.363) * SCALE
        edge = 0 if halo is None else 2 * SCALE
        for part, face in runs(text):
            used = font(face, size, weight)
            self._draw.text(
                (left * SCALE, baseline), part, font=used, fill=fill, anchor="ls", stroke_width=edge, stroke_fill=halo
            )
            left += length(part, face, size, weight)
        return width

    def fitted(
        self,
        x: float,
        y: float,
        text: str,
        size: int,
        fill: Colour,
        room: float,
        *,
        weight: int = 400,
        anchor: Anchor = "l",
    ) -> float:
        """Write *text*, smaller or clipped where *room* is short; return its width."""
        while size > 11 and self.measure(text, size, weight) > room:
            size -= 1
        while len(text) > 1 and self.measure(text, size, weight) > room:
            text = text[:-2] + "…"
        return self.text(x, y, text, size, fill, weight=weight, anchor=anchor)

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
            self._stamp(x, y, _stencil(((-4, 0), (-1.3, 3), (4, -3.5)), 6, 1.8), self.theme.long)
        else:
            for way in (1, -1):
                self._stamp(x, y, _stencil(((-3, -3 * way), (3, 3 * way)), 6, 1.8), self.theme.short)

    def triangle(self, x: float, y: float, up: bool, fill: Colour, size: float = 5) -> None:
        """Draw a small triangle around (x, y)."""
        way = 1 if up else -1
        points = ((0, -size * way), (-size, size * 0.7 * way), (size, size * 0.7 * way))
        self._stamp(x, y, _stencil(points, size + 1), fill)

    def _stamp(self, x: float, y: float, stencil: Image.Image, fill: Colour) -> None:
        """Lay *fill* on through a stencil whose middle is at (x, y)."""
        at = (round(x * SCALE) - stencil.width // 2, round(y * SCALE) - stencil.height // 2)
        self._image.paste(fill, (*at, at[0] + stencil.width, at[1] + stencil.height), stencil)

    def png(self) -> bytes:
        """Return the picture with 64 colours."""
        stream = io.BytesIO()
        reduced = self._image.quantize(palette=_palette(self.theme), dither=Image.Dither.NONE)
        reduced.save(stream, "PNG", compress_level=COMPRESSION, bits=8)
        return stream.getvalue()
