"""One image of the gallery: its picture, where characters were read, its label and its readings."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from PIL import Image as pillow

from wildtext.errors import SampleError
from wildtext.evaluation.properties import Properties
from wildtext.evaluation.readings import Judged
from wildtext.evaluation.report.charts import swatch
from wildtext.evaluation.report.markup import LONGEST, differing, marked
from wildtext.evaluation.report.study import Study
from wildtext.images.encode import data_uri, encode
from wildtext.inference.overlay import places_overlay, thumbnail
from wildtext.types import Image

_QUALITY = 80
"""Quality of the pictures as WebP, which needs half as much room as JPEG for such small ones."""

_LONGEST_REASON = 400
"""Most characters of a sentence about an image; labels and paths in it may be of any length."""


def card(study: Study, place: int, reasons: Mapping[str, str], *, overlays: bool) -> str:
    """An image as HTML.

    Args:
        study: what was measured.
        place: of the image.
        reasons: why it is shown, by the tab that shows it; most often empty.
        overlays: whether to show where each model read the characters.
    """
    image = _image(study, place)
    first = study.judged[0][place].reading
    if image is None:
        picture = '<p class="quiet">There is no picture.</p>'
    else:
        picture = _picture(thumbnail(image), f"labelled {first.truth}")
    missed: set[int] = set()
    rows = ""
    for model, judged in enumerate(study.judged):
        overlay = _overlay(study, judged[place], model, image) if overlays and image is not None else ""
        if not study.several:
            # Right below the picture, letters stand below letters.
            picture, overlay = picture + overlay, ""
        missing, html = _row(study, judged[place], model, overlay)
        missed |= missing
        rows += html
    why = "".join(
        f'<p class="why" data-tab="{name}">{escape(reason[:_LONGEST_REASON])}</p>'
        for name, reason in reasons.items()
        if reason
    )
    label = f'<dt>label</dt><dd class="text">{marked(first.truth, missed)}</dd>'
    return (
        f'<article class="card">{picture}<dl>{label}{rows}</dl>'
        f'{why}<p class="from">{escape(study.sets[study.set_of[place]])} · <bdi>{escape(_file(first.where))}</bdi>'
        f"</p>{_told(study.properties[place])}</article>"
    )


def _image(study: Study, place: int) -> Image | None:
    reading = study.judged[0][place].reading
    try:
        return study.sources[study.set_of[place]][reading.index].image
    except SampleError:
        return None


def _picture(picture: pillow.Image, described: str) -> str:
    source = data_uri(encode(picture, "WEBP", quality=_QUALITY), "webp")
    tall = ' class="tall"' if picture.height > picture.width else ""
    return (
        f'<img alt="{escape(described[:LONGEST])}" loading="lazy" decoding="async" width="{picture.width}" '
        f'height="{picture.height}"{tall} src="{source}">'
    )


def _row(study: Study, one: Judged, model: int, overlay: str) -> tuple[set[int], str]:
    """Places in the label that a model missed, and what it read, with marks where it differs from the label."""
    name = f"{swatch(model)}{escape(study.models[model])}" if study.several else "read"
    reading, prediction = one.reading, one.reading.prediction
    if prediction is None:
        problem = f'<span class="quiet">{escape(reading.problem[:_LONGEST_REASON])}</span>'
        return set(), f'<dt>{name}</dt><dd><span class="bad">not decoded</span> {problem}</dd>'
    missed, added = differing(reading.truth, prediction.text, study.compared(model))
    verdict = '<span class="good">right</span>' if one.correct else '<span class="bad">wrong</span>'
    turned = f", turned by {prediction.rotation}°" if prediction.rotation else ""
    return missed, (
        f'<dt>{name}</dt><dd>{overlay}<span class="text">{marked(prediction.text, added)}</span> '
        f'<span class="sure">{verdict}, {100 * one.confidence:.1f} % sure{turned}</span></dd>'
    )


def _overlay(study: Study, one: Judged, model: int, image: Image) -> str:
    """Where a model read the characters."""
    prediction = one.reading.prediction
    places = None if prediction is None else places_overlay(study.recognizers[model], image, prediction)
    return "" if places is None else _picture(places, f"where characters were read by {study.models[model]}")


def _file(where: str) -> str:
    """What a message calls a sample, without its folders."""
    return where.replace("\\", "/").rpartition("/")[2][-LONGEST:]


def _told(properties: Properties | None) -> str:
    if properties is None:
        return ""
    parts = [f"{properties.width} x {properties.height} px", f"contrast {properties.contrast:.2f}"]
    if properties.blur is not None:
        parts.append(f"blur {properties.blur:.1f} px")
    if properties.slope is not None:
        parts.append(f"slope {round(properties.slope)}°")
    return f'<p class="from">{", ".join(parts)}</p>'
