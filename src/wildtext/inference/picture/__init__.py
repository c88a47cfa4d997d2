"""An explanation as one picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image as pillow

from wildtext.inference.explanation import Explanation
from wildtext.inference.picture.maps import draw_core_area, draw_crop, draw_panels, draw_places, draw_timeline
from wildtext.inference.picture.reading import draw_choices, draw_opinions, draw_remarks, draw_title
from wildtext.inference.picture.sheet import GAP, PAPER, WIDTH, Frame

__all__ = ["draw_explanation"]

_SECTIONS = (
    *(draw_title, draw_crop, draw_places, draw_core_area, draw_timeline),
    *(draw_choices, draw_opinions, draw_panels, draw_remarks),
)


def draw_explanation(explanation: Explanation) -> pillow.Image:
    """Draw all that an explanation has, from the reading at the top to what single parts of the model saw.

    Returns:
        RGB, 1200 pixels wide.
    """
    frame = Frame.of(explanation.image)
    # Large photographs are shrunk once, and all sections draw on that.
    shown = replace(explanation, image=np.asarray(frame.scaled(explanation.image)))
    sections = [section(shown, frame) for section in _SECTIONS]
    blocks = [block for block in sections if block is not None]
    sheet = pillow.new("RGB", (WIDTH, sum(block.height for block in blocks) + 2 * GAP), PAPER)
    top = GAP
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet
