"""From bytes, paths and arrays to model input."""

from wildtext.images.decode import ImageLike, decode, read_file
from wildtext.images.preprocessing import Buckets, Canvas, Fixed, Padded, Place, Preprocessing

__all__ = ["Buckets", "Canvas", "Fixed", "ImageLike", "Padded", "Place", "Preprocessing", "decode", "read_file"]
