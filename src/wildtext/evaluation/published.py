"""What others report for their models, to be shown beside our own measurements and never among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """One row of somebody's table.

    Attributes:
        model: what was measured.
        training: on what it was trained; empty where that is not stated.
        source: who says so.
        accuracy: word accuracy in percent by set, named as in `wildtext.evaluation.benchmarks`.
        total: word accuracy in percent of several sets; None where none is stated.
        benchmark: what it is the total of, named as there; empty where that is not one of these or is not known.
        note: what one must know before comparing.
    """

    model: str
    training: str
    source: str
    accuracy: Mapping[str, float] = field(default_factory=dict)
    total: float | None = None
    benchmark: str = ""
    note: str = ""


_SUB = ("IIIT5k_3000", "SVT", "IC13_857", "IC15_1811", "SVTP", "CUTE80")
_FULL = ("IIIT5k_3000", "SVT", "IC13_1015", "IC15_2077", "SVTP", "CUTE80")

_UNCLEAR = "over IIIT5k, SVT, IC03, IC13, IC15, SVTP and CUTE80; which variants, and weighted how, is not stated"

_CHOSEN = "as its README trains, the weights are chosen on the test sets"


def _paddle(model: str, total: float) -> Published:
    return Published(model, "", "PaddleOCR", total=total, note=_UNCLEAR)


def _openocr(model: str, *figures: float, mean: float) -> Published:
    return Published(model, "Union14M-L-Filter", "OpenOCR", dict(zip(_SUB, figures, strict=True)), mean, "mean6")


PUBLISHED = (
    Published(
        "SRN",
        "MJ + ST",
        "SRN.pytorch",
        {
            "IIIT5k_3000": 84.600,
            "SVT": 83.617,
            "IC03_860": 92.907,
            "IC03_867": 92.849,
            "IC13_857": 90.315,
            "IC13_1015": 88.177,
            "IC15_1811": 71.010,
            "IC15_2077": 68.064,
            "SVTP": 71.008,
            "CUTE80": 68.641,
        },
        80.597,
        note="filtered: 1,932 images of IC15_2077, 287 of CUTE80, 11,921 in the total; see --legacy-filter",
    ),
    Published(
        "SRN",
        "",
        "paper, as quoted by that of ACDS",
        dict(zip(_SUB, (94.8, 91.5, 95.5, 82.7, 85.1, 87.8), strict=True)),
        90.42,
        "common6_sub",
        "the total was computed from the sets",
    ),
    _paddle("SRN", 86.31),
    Published(
        "RobustScanner",
        "MJ + ST",
        "paper, as quoted by others",
        dict(zip(_FULL, (95.3, 88.1, 94.8, 77.1, 79.5, 90.3), strict=True)),
        88.18,
        "common6_full",
    ),
    Published(
        "RobustScanner",
        "MJ + ST + SynthAdd + real",
        "PaddleOCR",
        dict(zip(_FULL, (95.6, 90.4, 93.2, 77.2, 81.7, 88.5), strict=True)),
        87.77,
        "mean6_full",
    ),
    Published(
        "RobustScanner",
        "MJ + ST + SynthAdd + real",
        "mmocr 1.x",
        dict(zip(_FULL, (95.10, 90.11, 93.20, 75.78, 80.78, 87.50), strict=True)),
        87.08,
        "mean6_full",
    ),
    Published(
        "MGP-STR base, fused",
        "MJ + ST",
        "repository of MGP-STR",
        dict(zip(_SUB, (96.2, 94.9, 97.6, 87.9, 90.2, 89.2), strict=True)),
        93.36,
        "common6_sub",
        _CHOSEN,
    ),
    Published(
        "ACDS base",
        "MJ + ST",
        "repository of ACDS",
        dict(zip(_SUB, (95.1, 94.6, 97.7, 86.4, 90.1, 88.5), strict=True)),
        92.48,
        "common6_sub",
        f"the total was computed from the sets; {_CHOSEN}",
    ),
    _openocr("CRNN", 95.8, 91.8, 94.6, 84.9, 83.1, 91.0, mean=90.21),
    _openocr("ASTER", 96.1, 93.0, 94.9, 86.1, 87.9, 92.0, mean=91.68),
    _openocr("SRN", 97.2, 96.3, 97.5, 87.9, 90.9, 96.9, mean=94.45),
    _openocr("RobustScanner", 98.5, 95.8, 97.7, 88.2, 90.1, 97.6, mean=94.65),
    _openocr("MGP-STR ViT-B", 97.9, 97.8, 97.1, 89.6, 95.2, 96.9, mean=95.74),
    _openocr("PARSeq", 98.9, 98.1, 98.4, 90.1, 94.3, 98.6, mean=96.40),
    Published(
        "PARSeq",
        "real",
        "README of PARSeq",
        dict(zip(_FULL, (99.00, 97.84, 98.13, 89.22, 96.90, 98.61), strict=True)),
        95.95,
        "common6_full",
    ),
    _paddle("NRTR", 84.21),
    _paddle("SAR", 87.20),
    _paddle("SEED", 85.35),
    _paddle("ViTSTR", 79.82),
    _paddle("SVTR-T", 89.25),
    _paddle("ABINet", 90.75),
)
"""Accuracies under a protocol of 36 characters, unless a note says otherwise."""
