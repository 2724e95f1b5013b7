"""Findings beside the most similar normal tissue of the model's training data, as in figure 6 of the paper.

Pillow is imported when something is drawn, so that programs which may lack it can import this.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..detection.findings import Finding, Findings
from ..detection.nearest_normal import NearestNormals, NormalTissue
from ..detection.score_map import ScoreMap

if TYPE_CHECKING:
    from PIL import Image

TILE = 64
"""Pixels along the side of a patch, which is 13.5 mm of the patient."""

GAP, LABEL, FOOT, BETWEEN = 2, 46, 18, 14
"""Pixels: between tiles, for the image names, for the distances, and between the finding and the normal patches."""

MOST = 24
"""Findings in one picture at most, those with the highest peak scores."""

CHANNELS = ("T1", "FLAIR")
HEADING = "Most similar normal tissue of the training data"
BLACK, LEAST_WHITE = -0.2, 1.2
"""Scaled intensities (0 and 1 are the 5th and 95th percentile of the brain): drawn black, and least value drawn white."""

FINDING_COLOUR, NORMAL_COLOUR = (255, 90, 80), (110, 200, 110)


def draw_comparison(comparison: NearestNormals, *, tile: int = TILE, name: str = "finding") -> Image.Image:
    """An RGB picture of a patch, framed in red, and the normal patches nearest to it, framed in green; T1 over FLAIR.

    The distances stand below, beside the `name` of what is compared. `tile`: pixels along the side of a patch.
    """
    from PIL import Image, ImageDraw

    from . import drawing

    patches = [comparison.patch, *comparison.neighbours]
    width, height = size_of(len(patches), tile)
    canvas = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(canvas)
    small = drawing.font(12)
    for row, channel in enumerate(CHANNELS):
        y = row * (tile + GAP)
        white = max(LEAST_WHITE, *(float(patch[row].max()) for patch in patches))
        pen.text((LABEL - 6, y + tile / 2), channel, fill=drawing.QUIET, font=small, anchor="rm")
        for place, patch in enumerate(patches):
            x = _left(place, tile)
            canvas.paste(drawing.grey_tile(patch[row], (BLACK, white), (tile, tile)), (x, y))
            colour = NORMAL_COLOUR if place else FINDING_COLOUR
            pen.rectangle((x, y, x + tile - 1, y + tile - 1), outline=colour)
    y = 2 * (tile + GAP) + 1
    pen.text((_left(0, tile) + tile / 2, y), name, fill=FINDING_COLOUR, font=small, anchor="ma")
    for place, distance in enumerate(comparison.distances, start=1):
        middle = _left(place, tile) + tile / 2
        pen.text((middle, y), f"{distance:.2f}", fill=NORMAL_COLOUR, font=small, anchor="ma")
    return canvas


def size_of(patches: int, tile: int = TILE) -> tuple[int, int]:
    """Width and height, in pixels, of the picture of this many patches, including the finding's."""
    return _left(patches - 1, tile) + tile + 1, 2 * (tile + GAP) + FOOT


def explanation(comparison: NearestNormals) -> str:
    """What the distances mean, in one sentence."""
    usual, rare = comparison.usual
    return (
        f"Distance in latent space; normal tissue of other people lies {usual:.2f} from the nearest, and 5 % of it "
        f"more than {rare:.2f}."
    )


def draw_nearest(
    scores: ScoreMap, findings: Findings, tissue: NormalTissue, header: Sequence[str]
) -> Image.Image | None:
    """The highest patch of each finding beside its nearest normal patches, at most `MOST` findings.

    Args:
        tissue: of the model that scored it.
        header: lines above.

    Returns:
        An RGB picture; None where there is no finding.
    """
    from PIL import Image, ImageDraw

    from . import drawing

    if not findings.items:
        return None
    highest = sorted(findings.items, key=lambda finding: -finding.peak_score)[:MOST]
    compared = [(finding, tissue.of_patch(scores, finding.peak_patch)) for finding in highest]
    columns = 1 if len(compared) < 5 else 2
    rows = -(-len(compared) // columns)
    width, height = size_of(1 + len(compared[0][1].neighbours))
    across, down, top = width + 28, height + 40, 58 + 20 * len(header)
    canvas = Image.new("RGB", (max(columns * across, 620) + 8, top + rows * down))
    pen = ImageDraw.Draw(canvas)
    pen.text((10, 8), HEADING, fill="white", font=drawing.font(18, bold=True))
    small = drawing.font(13)
    for line, text in enumerate([*header, explanation(compared[0][1])]):
        short = drawing.shortened(text, small, canvas.width - 20)
        pen.text((10, 34 + 20 * line), short, fill=drawing.QUIET, font=small)
    for place, (finding, comparison) in enumerate(compared):
        x, y = 10 + across * (place // rows), top + down * (place % rows)
        pen.text((x, y), drawing.shortened(_title(finding), small, width), fill="white", font=small)
        canvas.paste(draw_comparison(comparison), (x, y + 20))
    return canvas


def _title(finding: Finding) -> str:
    # What is too long is cut off at its end: a number never is.
    numbers = f"{finding.number} {finding.hint}: {finding.volume_ml:.2f} ml, score {finding.peak_score:.2f}"
    return f"{numbers}; {finding.side}, {finding.region}"


def _left(place: int, tile: int) -> int:
    """The left edge of a patch, in pixels: 0 is the finding; a gap separates it from the others."""
    return LABEL + place * (tile + GAP) + (BETWEEN if place else 0)


def as_png(picture: Image.Image) -> bytes:
    """A picture as the content of a PNG file."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
