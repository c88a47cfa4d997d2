"""Commands for labelled images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from wildtext.cli.shared import OK, print_written, progress_bar
from wildtext.errors import ConfigError

if TYPE_CHECKING:
    from wildtext.data import LabelledSource
    from wildtext.data.convert.synthetic_chinese import Numbering

Paths = Positional[tuple[Path, ...]]


def pack(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")],
    out: Annotated[Positional[Path], arg(metavar="OUT.lmdb")],
    /,
) -> int:
    """Write labelled images into an LMDB, which trains faster than files. Goes on where an earlier call was stopped.

    The exit status is 1 if some samples were left out.

    Args:
        source: Folder with labels.tsv, list file, JSON Lines, JSON of mmocr, or LMDB.
        out: The LMDB folder to write, e.g. train.lmdb.
    """
    from wildtext.data import open_source
    from wildtext.data.pack import pack as write

    with progress_bar("packing") as progress:
        report = write(open_source(source), out, progress=progress)
    return print_written(report)


def inspect(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")], /, *, format: Literal["table", "json"] = "table"
) -> int:
    """Show what labelled images hold: counts, characters, lengths, sizes, odd samples.

    Args:
        source: Folder with labels.tsv, list file, JSON Lines, JSON of mmocr, or LMDB.
        format: table for people, json for programs.
    """
    from rich.console import Console

    from wildtext.data import open_source
    from wildtext.data.inspect import inspect as survey
    from wildtext.data.inspect import show

    with progress_bar("inspecting") as progress:
        summary = survey(open_source(source), progress=progress)
    if format == "json":
        print(json.dumps(summary.to_dict(), indent=2, ensure_ascii=False))
    else:
        show(summary, Console())
    return OK


def convert_mjsynth(paths: Annotated[Paths, arg(metavar="LISTS... OUT.lmdb")], /, *, images: Path | None = None) -> int:
    """Write MJSynth (Synth90k) into an LMDB. Goes on where an earlier call was stopped.

    Images that are damaged, of which the release has some, are left out and listed with file and line; the exit status
    is then 1.

    Args:
        paths: annotation_train.txt, annotation_val.txt or annotation_test.txt, and the LMDB folder to write.
        images: The folder that the lists' paths are relative to; that of each list if not given.
    """
    from wildtext.data.convert.mjsynth import open_mjsynth

    lists, out = _lists_and_out(paths)
    return _write(open_mjsynth(lists, images), out)


def convert_synthadd(
    paths: Annotated[Paths, arg(metavar="LISTS... OUT.lmdb")], /, *, images: Path | None = None
) -> int:
    """Write SynthAdd into an LMDB. Goes on where an earlier call was stopped.

    Args:
        paths: annotationlist/gt_1.txt and so on, and the LMDB folder to write.
        images: The folder that holds crop_img_1 and so on; the one above that of each list if not given.
    """
    from wildtext.data.convert.synthadd import open_synthadd

    lists, out = _lists_and_out(paths)
    return _write(open_synthadd(lists, images), out)


def convert_synthtext(
    source: Annotated[Positional[Path], arg(metavar="GT.mat")],
    out: Annotated[Positional[Path], arg(metavar="OUT.lmdb")],
    /,
    *,
    images: Path | None = None,
) -> int:
    """Write the words of SynthText into an LMDB, with the boxes of their characters. Goes on where a call was stopped.

    Words that do not lie in their photograph, or do not fit their boxes, are left out and listed; the exit status is
    then 1.

    Args:
        source: The file gt.mat.
        out: The LMDB folder to write.
        images: The folder with the folders of photographs 1 to 200; that of gt.mat if not given.
    """
    from wildtext.data.convert.synthtext import open_synthtext

    return _write(open_synthtext(source, images), out)


def convert_icdar_words(
    paths: Annotated[Paths, arg(metavar="LISTS... OUT.lmdb")], /, *, images: Path | None = None
) -> int:
    """Write word images of an ICDAR competition into an LMDB.

    The ground truth of word recognition says: word_1.png, "PROPER".

    Args:
        paths: gt.txt or the like, and the LMDB folder to write.
        images: The folder with the word images; that of each list if not given.
    """
    from wildtext.data.convert.icdar import open_icdar_words

    lists, out = _lists_and_out(paths)
    return _write(open_icdar_words(lists, images), out)


def convert_icdar_localisation(
    source: Annotated[Positional[Path], arg(metavar="FOLDER")],
    out: Annotated[Positional[Path], arg(metavar="OUT.lmdb")],
    /,
    *,
    images: Path | None = None,
) -> int:
    """Cut the words out of photographs of an ICDAR competition, and write them into an LMDB.

    The ground truth of localisation has a file for each photograph, and the coordinates and text of each word. Words
    marked as illegible are left out and counted; the exit status is then 1.

    Args:
        source: The folder with gt_img_1.txt and so on.
        out: The LMDB folder to write.
        images: The folder with the photographs; the same if not given.
    """
    from wildtext.data.convert.icdar import open_icdar_localisation

    return _write(open_icdar_localisation(source, images), out)


def convert_iiit5k(paths: Annotated[Paths, arg(metavar="MATS... OUT.lmdb")], /, *, images: Path | None = None) -> int:
    """Write IIIT5K into an LMDB, with the boxes of characters, and lexicons beside it.

    The lexicons are in traindata.mat and testdata.mat; with the other files, those are looked for beside them.

    Args:
        paths: trainCharBound.mat or testCharBound.mat (or traindata.mat and testdata.mat, which have no boxes), and the
            LMDB folder to write.
        images: The folder with the folders train and test; that of each file if not given.
    """
    from wildtext.data.convert.iiit5k import lexicons_of_iiit5k, open_iiit5k

    files, out = _lists_and_out(paths)
    return _write(open_iiit5k(files, images), out, lexicons_of_iiit5k(files))


def convert_svt(paths: Annotated[Paths, arg(metavar="XMLS... OUT.lmdb")], /, *, images: Path | None = None) -> int:
    """Cut the words of Street View Text out of their photographs; write them into an LMDB, and lexicons beside it.

    Args:
        paths: train.xml or test.xml, and the LMDB folder to write.
        images: The folder that names of images are relative to; that of each file if not given.
    """
    from wildtext.data.convert.svt import lexicons_of_svt, open_svt

    files, out = _lists_and_out(paths)
    return _write(open_svt(files, images), out, lexicons_of_svt(files))


def convert_synthetic_chinese(
    paths: Annotated[Paths, arg(metavar="LABELS... OUT.lmdb")],
    /,
    *,
    images: Path,
    charset: Path,
    first_id: Literal["auto", 0, 1] = "auto",
) -> int:
    """Write the data set Synthetic Chinese String into an LMDB. Goes on where an earlier call was stopped.

    Its lists say "NAME.jpg 263 82 29 ...": an image and ten ids of characters. The exit status is 1 if some lines were
    left out; they are listed with file and line.

    Args:
        paths: The list files, e.g. train.txt, and the LMDB folder to write.
        images: The folder with the images.
        charset: The file with one character a line, e.g. char_std_5990.txt, with or without "blank" as its first line.
        first_id: The id of the first character after "blank"; auto finds out, and tells when it has to guess.
    """
    from wildtext.data.convert.synthetic_chinese import open_synthetic_chinese

    lists, out = _lists_and_out(paths)
    source, numbering = open_synthetic_chinese(lists, images=images, charset=charset, first_id=first_id)
    _print_numbering(numbering)
    return _write(source, out)


def _lists_and_out(paths: tuple[Path, ...]) -> tuple[list[Path], Path]:
    """What to read, and the LMDB to write, which is named last."""
    if len(paths) < 2:
        raise ConfigError("name the lists to read, and then the LMDB to write")
    *lists, out = paths
    return lists, out


def _write(source: LabelledSource, out: Path, lexicons: Mapping[str, Sequence[Sequence[str]]] | None = None) -> int:
    """Pack what was published into an LMDB, and tell about it; returns the exit status."""
    from wildtext.data.lexicons import file_name, write_lexicons
    from wildtext.data.pack import pack as write

    with progress_bar("converting") as progress:
        report = write(source, out, progress=progress)
    if lexicons:
        write_lexicons(source, report, lexicons)
        print(f"lexicons of each image: {', '.join(map(file_name, lexicons))}")
    return print_written(report)


def _print_numbering(numbering: Numbering) -> None:
    """Tell how ids count; where that is a guess, how to check it."""
    first, alphabet = numbering.first_id, numbering.alphabet
    count = len(alphabet.characters)
    print(f"{alphabet.path}: {count} characters; the first has id {first}", end="")
    if numbering.reason:
        print(f": {numbering.reason}")
        return
    print(f", by assumption: the lists have neither id 0 nor id {count}, which would tell. Compare with the images:")
    for example in numbering.examples:
        print(f"  {example.where}: {example.image}")
        print(f"    as written now:     {example.from_1}")
        print(f"    with --first-id 0:  {example.from_0}")
    print(
        "If the images say what the second labels say, stop, and give the command again with --first-id 0.", flush=True
    )
