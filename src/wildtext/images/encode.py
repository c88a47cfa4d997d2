"""Pictures as files in memory."""

from __future__ import annotations

import io

from PIL import Image as pillow

from wildtext.types import Image


def encode_png(image: Image) -> bytes:
    """A picture (H, W, 3) as a PNG file, which loses nothing."""
    file = io.BytesIO()
    # Higher levels make files of words hardly smaller and take much longer.
    pillow.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()
