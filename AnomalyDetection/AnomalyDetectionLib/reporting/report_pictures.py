"""The pictures of a report: each finding on T1 and FLAIR, and the slices in a row.

The pictures are bare grey JPEG; templates/report.html draws outline, sides, slice and scale over them as SVG. Radiological
convention, as in `drawing`.

Pillow is imported when something is drawn, so that programs which may lack it can import this.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..detection.findings import Findings
from ..detection.score_map import ScoreMap
from .finding_picture import close_window

if TYPE_CHECKING:
    from PIL import Image

    from .drawing import Window

PIXELS = 480
"""Height of a picture, and width of a close-up, in pixels."""

QUALITY = 84
WHITE = 99.9
"""The percentile of the brain that is drawn white; high, so that structure inside bright lesions stays visible."""

EVEN_SLICES, MOST_SLICES = 12, 24
BAR_MM = {"whole": 50.0, "close": 20.0}


@dataclass(frozen=True)
class Tile:
    """A picture and what is drawn over it, in its pixels.

    Attributes:
        name: what it shows, "T1" or "FLAIR".
        jpeg: the content of the file, grey.
        width, height: of the picture.
        position: of the slice, such as "S 34 mm".
        outline, others: of the finding and of the others, as paths of SVG; "" where there is none.
        box: left, top, width and height of the close-up; None: this picture is a close-up.
        bar, bar_mm: length of the scale bar in pixels and in mm.
        alternative: the alternative text of the picture.
    """

    name: str
    jpeg: bytes
    width: int
    height: int
    position: str
    outline: str
    others: str
    box: tuple[float, float, float, float] | None
    bar: float
    bar_mm: float
    alternative: str


class KeyPictures:
    """Pictures of the findings of one scan: the whole FLAIR slice, and close-ups of T1 and FLAIR.

    The slice is the one of the model's grid that holds most of the finding.
    """

    def __init__(self, scores: ScoreMap, findings: Findings) -> None:
        from . import drawing

        self._grid, study, brain = scores.study.grid, scores.study, scores.study.brain
        self._dx, self._dy, _ = self._grid.spacing
        self._labels = drawing.labels_on_model_grid(findings, scores)
        self._whole = drawing.window_of(brain | (self._labels > 0), self._dx, self._dy)
        self._grey = {
            "T1": (study.t1, drawing.grey_range(study.t1, brain, study.t1_scale, WHITE)),
            "FLAIR": (study.flair, drawing.grey_range(study.flair, brain, study.flair_scale, WHITE)),
        }

    @property
    def aspect(self) -> float:
        """Width over height of a whole slice; close-ups are square."""
        height_mm, width_mm = self._extent_mm(self._whole)
        return width_mm / height_mm

    def position(self, number: int) -> str:
        """The height of a finding's slice, such as "S 34 mm" (RAS)."""
        s = self._slice(number)
        rows, columns = np.nonzero(self._labels[s] == number)
        point = self._grid.points(np.array([[columns.mean(), rows.mean(), s]]))[0]
        return in_letters(point[2], "SI") + " mm"

    def of(self, number: int) -> tuple[Tile, Tile, Tile]:
        """The whole FLAIR slice and close-ups of T1 and FLAIR for one finding."""
        s, position = self._slice(number), self.position(number)
        close = close_window(self._labels[s] == number, self._dx, self._dy)
        what = f"finding {number} outlined, slice at {position}"
        return (
            self._tile("FLAIR", s, self._whole, number, position, f"FLAIR, whole slice, {what}", close),
            self._tile("T1", s, close, number, position, f"T1, {what}"),
            self._tile("FLAIR", s, close, number, position, f"FLAIR, {what}"),
        )

    def _slice(self, number: int) -> int:
        return int(np.argmax(np.count_nonzero(self._labels == number, axis=(1, 2))))

    def _tile(
        self,
        name: str,
        s: int,
        window: Window,
        number: int,
        position: str,
        alternative: str,
        box: Window | None = None,
    ) -> Tile:
        from PIL import Image

        from . import drawing

        height_mm, width_mm = self._extent_mm(window)
        scale = PIXELS / (max(height_mm, width_mm) if box is None else height_mm)
        inner = max(round(width_mm * scale), 1), max(round(height_mm * scale), 1)
        # A close-up is a square, black where the image ends.
        size = (PIXELS if box is None else inner[0]), PIXELS
        left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
        volume, grey = self._grey[name]
        canvas = Image.new("L", size)
        canvas.paste(drawing.grey_tile(volume[s][window], grey, inner).convert("L"), (left, top))

        across, down = self._dx * scale, self._dy * scale
        inside = self._labels[s][window]
        bar_mm = BAR_MM["close" if box is None else "whole"]
        return Tile(
            name,
            _jpeg(canvas),
            *size,
            position,
            outline=_path(inside == number, across, down, left, top),
            others=_path(np.where(inside == number, 0, inside), across, down, left, top),
            box=None if box is None else _box(box, window, across, down, size),
            bar=bar_mm * scale,
            bar_mm=bar_mm,
            alternative=alternative,
        )

    def _extent_mm(self, window: Window) -> tuple[float, float]:
        rows, columns = window
        return (rows.stop - rows.start) * self._dy, (columns.stop - columns.start) * self._dx


def overview(scores: ScoreMap, findings: Findings) -> tuple[bytes, int, int]:
    """A montage of slices with scores and outlines: JPEG, its width and height."""
    from .overlay_picture import draw_montage

    montage = draw_montage(scores, findings, even=EVEN_SLICES, most=MOST_SLICES)
    return _jpeg(montage), montage.width, montage.height


def in_letters(mm: float, letters: str) -> str:
    """A coordinate with the direction's letter instead of a sign: in_letters(-25.2, "RL") is "L 25"."""
    return f"{letters[int(mm < -0.5)]} {abs(round(mm))}"


def _jpeg(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


def _path(values: np.ndarray, across: float, down: float, left: float, top: float) -> str:
    """The borders between unlike neighbours (rows, columns) as a path of SVG."""

    def x(column: int) -> str:
        return f"{left + column * across:.1f}"

    def y(row: int) -> str:
        return f"{top + row * down:.1f}"

    level = (f"M{x(a)} {y(row)}H{x(b)}" for row, a, b in _runs(values))
    upright = (f"M{x(column)} {y(a)}V{y(b)}" for column, a, b in _runs(values.T))
    return "".join((*level, *upright))


def _runs(values: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Runs of columns where a row differs from the one above it: row index, first column, end column."""
    padded = np.pad(values, ((1, 1), (0, 0)))
    differs = np.pad((padded[1:] != padded[:-1]).astype(np.int8), ((0, 0), (1, 1)))
    steps = np.diff(differs, axis=1)
    for row in np.flatnonzero(steps.any(axis=1)):
        begins, ends = np.flatnonzero(steps[row] == 1), np.flatnonzero(steps[row] == -1)
        yield from ((int(row), int(a), int(b)) for a, b in zip(begins, ends, strict=True))


def _box(
    close: Window, whole: Window, across: float, down: float, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Left, top, width and height of a close-up in the picture of the whole slice, clipped to the picture."""
    (top, bottom), (left, right) = (
        (max((inner.start - outer.start) * pixels, 1), min((inner.stop - outer.start) * pixels, end - 1))
        for inner, outer, pixels, end in zip(close, whole, (down, across), size[::-1], strict=True)
    )
    return left, top, right - left, bottom - top
