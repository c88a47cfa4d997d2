"""From bytes, paths and arrays to model input."""

from wildtext.images.decode import ImageLike, decode, read_file
from wildtext.images.preprocessing import Canvas, Fixed, Padded, Preprocessing

__all__ = ["Canvas", "Fixed", "ImageLike", "Padded", "Preprocessing", "decode", "read_file"]
