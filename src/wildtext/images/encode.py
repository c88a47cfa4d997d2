"""Pictures as files in memory."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image as pillow

from wildtext.types import Image


def encode(picture: pillow.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file of this format of Pillow; `options` are those of Pillow for it."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def encode_png(image: Image) -> bytes:
    """A picture (H, W, 3) as a PNG file, which loses nothing."""
    # Higher levels make files of words hardly smaller and take much longer.
    return encode(pillow.fromarray(image), "PNG", compress_level=1)


def data_uri(content: bytes, kind: str) -> str:
    """The file of a picture inside a page; `kind` is its format: ``jpeg``, ``png``, ``webp``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
