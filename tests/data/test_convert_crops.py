"""Words that are cut out of photographs: localisation of ICDAR, Street View Text, and the cutting itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wildtext.cli import FAILED, OK, UNUSABLE, main
from wildtext.data import open_source
from wildtext.data.convert.crops import CropSource, Word, frame, rectangle
from wildtext.data.convert.icdar import open_icdar_localisation
from wildtext.data.convert.svt import open_svt
from wildtext.data.lexicons import open_lexicons
from wildtext.errors import DataError, SampleError
from wildtext.types import Image as Pixels

Captured = pytest.CaptureFixture[str]


def photograph(path: Path, width: int = 120, height: int = 80) -> Pixels:
    """Write a picture whose red says the column and whose green says the row."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(width), np.arange(height)[:, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


class Album:
    """Words in one photograph."""

    name = "album"

    def __init__(self, words: Sequence[Word]):
        self.words = words

    @property
    def size(self) -> int:
        return len(self.words)

    def where(self, index: int) -> str:
        return f"album:{index}"

    def word(self, index: int) -> Word:
        return self.words[index]


def test_a_crop_has_the_pixels_of_the_photograph_and_boxes_move_along(tmp_path: Path) -> None:
    pixels = photograph(tmp_path / "a.png")
    characters = np.stack([rectangle(30 + 10 * number, 20, 9.5, 12.25) for number in range(3)])
    outline = np.array([[30.4, 19], [61.2, 25], [60, 40.5], [31, 38]])
    source = CropSource(Album([Word(tmp_path / "a.png", "abc", outline, characters)]))
    sample = source[0]
    np.testing.assert_array_equal(sample.image, pixels[19:41, 30:62])
    assert sample.boxes is not None
    np.testing.assert_allclose(sample.boxes, characters - [30, 19])
    for box in sample.boxes:
        x, y = box[0].astype(int)
        assert tuple(sample.image[y, x, :2]) == (x + 30, y + 19)


def test_a_stored_crop_differs_from_the_photograph_by_less_than_eyes_see(tmp_path: Path) -> None:
    pixels = photograph(tmp_path / "a.png")
    source = CropSource(Album([Word(tmp_path / "a.png", "a", rectangle(20, 10, 70, 50))]))
    (tmp_path / "crop.jpg").write_bytes(source.content(0))
    with Image.open(tmp_path / "crop.jpg") as crop:
        assert (crop.format, crop.size) == ("JPEG", (70, 50))
        assert np.abs(np.asarray(crop).astype(int) - pixels[10:60, 20:90]).max() <= 4
    assert source.boxes(0) is None


def test_boxes_that_reach_beyond_the_photograph_are_cut_off_and_boxes_of_characters_stay_in_place(
    tmp_path: Path,
) -> None:
    pixels = photograph(tmp_path / "a.png")
    characters = np.stack([rectangle(-10, -4, 15, 24), rectangle(6, 0, 14, 20)])
    source = CropSource(Album([Word(tmp_path / "a.png", "ab", rectangle(-10, -4, 30, 24), characters)]))
    np.testing.assert_array_equal(source[0].image, pixels[:20, :20])
    np.testing.assert_array_equal(source.boxes(0), characters)


def test_characters_whose_boxes_have_no_area_have_none(tmp_path: Path) -> None:
    photograph(tmp_path / "a.png")
    line = np.array([[20, 10], [20, 10], [30, 20], [30, 20]], np.float64)
    unknown = np.full((4, 2), np.nan)
    characters = np.stack([rectangle(20, 10, 10, 20), line, unknown])
    boxes = CropSource(Album([Word(tmp_path / "a.png", "abc", rectangle(20, 10, 30, 20), characters)])).boxes(0)
    assert boxes is not None
    assert np.isfinite(boxes).all(axis=(1, 2)).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((200, 10, 30, 20), r"the box lies outside the picture: from .*200.* in a picture of 120 x 80 pixels"),
        ((-50, 10, 50, 20), "the box lies outside the picture"),
        ((10, 81, 50, 20), "the box lies outside the picture"),
        ((-20, 10, 30, 20), "the box lies mostly outside the picture"),
        ((119, 10, 2, 20), "the box lies mostly outside the picture"),
        ((10, 10, 0, 20), "the box is degenerate"),
        ((10, 10, 20, 1), "the box is degenerate"),
        ((30, 20, -20, -15.5), None),
        ((np.nan, 10, 30, 20), "the box has no finite coordinates"),
        ((np.inf, 10, 30, 20), "the box has no finite coordinates"),
        ((60, 40, 120, 40), None),
    ],
)
def test_a_box_must_show_at_least_half_of_its_word(box: tuple[float, float, float, float], reason: str | None) -> None:
    if reason is None:
        left, top, right, bottom = frame(rectangle(*box), 120, 80)
        assert 0 <= left < right <= 120
        assert 0 <= top < bottom <= 80
    else:
        with pytest.raises(ValueError, match=reason):
            frame(rectangle(*box), 120, 80)


def localised(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"gt_{name}.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{line}\r\n" for line in lines).encode())
    return path


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('10 5 40 25 "Footpath"', "Footpath"),
        ('10, 5, 40, 25, "Tiredness"', "Tiredness"),
        ('10,5,40,25,"a, b"', "a, b"),
        ('10 5 40 25 "say \\"x\\" \\\\"', 'say "x" \\'),
        ('10 5 40 25 ""quoted""', '"quoted"'),
        ("10,5,40,5,40,25,10,25,Genaxis Theatre", "Genaxis Theatre"),
        ("10,5,40,5,40,25,10,25,1,000", "1,000"),
        ('10,5,40,5,40,25,10,25,"x\\y"', '"x\\y"'),
        ("10,5,40,5,40,25,10,25,Chinese,中文", "中文"),
        ("10,5,40,5,40,25,10,25,Latinum", "Latinum"),
        ("10.0, 5.0, 40.0, 5.0, 40.0, 25.0, 10.0, 25.0, [06]", "[06]"),
    ],
)
def test_lines_of_localisation(tmp_path: Path, line: str, text: str) -> None:
    pixels = photograph(tmp_path / "images" / "img_1.png")
    localised(tmp_path / "gt", "img_1", line)
    source = open_icdar_localisation(tmp_path / "gt", tmp_path / "images")
    assert source[0].text == text
    np.testing.assert_array_equal(source[0].image, pixels[5:25, 10:40])


def test_localisation_of_icdar(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "all"
    photograph(folder / "img_1.jpg")
    photograph(folder / "img_2.PNG")
    first = localised(
        folder, "img_1", "10,5,40,5,40,25,10,25,one", "50,5,80,5,80,25,50,25,###", "", "500,5,600,5,600,25,500,25,far"
    )
    second = localised(folder, "img_2", "10,5,40,5,40,25,10,25,two", "10,5,40,5,40,25,10,zero", "10,5,40,25,x")
    third = localised(folder, "img_3", "10,5,40,5,40,25,10,25,three")
    assert main(["data", "convert", "icdar-localisation", str(folder), str(tmp_path / "out")]) == FAILED
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == ["one", "two"]
    assert packed[0].image.shape == (20, 30, 3)
    found = dict(
        line.split("\t") for line in (tmp_path / "out" / "skipped.tsv").read_text(encoding="utf-8").splitlines()
    )
    assert found[f"{first}:2"] == "marked as illegible (###)"
    assert found[f"{first}:4"].startswith("the box lies outside the picture: ")
    assert found[f"{second}:2"].startswith("malformed line: expected ")
    assert found[f"{second}:3"].startswith("malformed line: expected ")
    assert found[f"{third}:1"] == "there is no photograph: img_3"
    assert len(found) == 5
    assert "left out 1: marked as illegible" in capsys.readouterr().out


def test_a_folder_without_ground_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no files gt_\*\.txt"):
        open_icdar_localisation(tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        open_icdar_localisation(tmp_path / "nowhere")


RECTANGLES = """<?xml version="1.0" encoding="utf-8"?>
<tagset>
<image>
  <imageName>img/14_03.png</imageName>
  <address>341 Southwest 10th Avenue</address>
  <lex>LIVING,ROOM</lex>
  <taggedRectangles>
    <taggedRectangle height="20" width="30" x="10" y="5">
      <tag>LIVING</tag>
    </taggedRectangle>
    <taggedRectangle height="20.0" width="40.0" x="-8.0" y="30.0"><tag>R&amp;B</tag></taggedRectangle>
  </taggedRectangles>
</image>
<image>
  <imageName>img/14_04.png</imageName>
  <taggedRectangles>
    <taggedRectangle height="20" width="30" x="10"><tag>NOWHERE</tag></taggedRectangle>
    <taggedRectangle height="20" width="30" x="10" y="5"><tag>GONE</tag></taggedRectangle>
    <taggedRectangle height="20" width="30" x="10" y="5"></taggedRectangle>
  </taggedRectangles>
</image>
</tagset>
"""


def test_street_view_text(tmp_path: Path) -> None:
    pixels = photograph(tmp_path / "img" / "14_03.png")
    path = tmp_path / "train.xml"
    path.write_text(RECTANGLES, encoding="utf-8")
    assert main(["data", "convert", "svt", str(path), str(tmp_path / "out")]) == FAILED
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == ["LIVING", "R&B"]
    source = open_svt([path])
    np.testing.assert_array_equal(source[0].image, pixels[5:25, 10:40])
    np.testing.assert_array_equal(source[1].image, pixels[30:50, :32])
    found = [line.split("\t") for line in (tmp_path / "out" / "skipped.tsv").read_text(encoding="utf-8").splitlines()]
    assert [name for name, _ in found] == [f"{path}:{number}" for number in (17, 18, 19)]
    reasons = [reason for _, reason in found]
    assert reasons[0].startswith("malformed rectangle: expected x, y, width, height, not ")
    assert reasons[1] == f"No such file or directory: {tmp_path / 'img' / '14_04.png'}"


def test_lexicons_of_street_view_text_stay_with_their_words(tmp_path: Path) -> None:
    for name in ("14_03.png", "14_04.png"):
        photograph(tmp_path / "img" / name)
    path = tmp_path / "test.xml"
    path.write_text(RECTANGLES.replace("14_04.png</imageName>", "14_04.png</imageName><lex>GONE, R&amp;B</lex>"))
    assert main(["data", "convert", "svt", str(path), str(tmp_path / "out")]) == FAILED
    source = open_source(tmp_path / "out")
    assert [source.text(index) for index in range(source.size)] == ["LIVING", "R&B", "GONE"]
    lexicon = open_lexicons(source, "50")
    words = [lexicon(index).words for index in range(source.size)]
    assert words == [("LIVING", "ROOM"), ("LIVING", "ROOM"), ("GONE", "R&B")]


def test_a_photograph_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "14_03.png").write_text("no image")
    (tmp_path / "train.xml").write_text(RECTANGLES, encoding="utf-8")
    with pytest.raises(SampleError, match=r"train\.xml:8: not an image .*: .*14_03\.png"):
        open_svt([tmp_path / "train.xml"])[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<tagset>\n<image>\n</tagset>", r"train\.xml:3: this is no XML: mismatched tag"),
        (None, "cannot read .*No such"),
    ],
)
def test_xml_that_cannot_be_read_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "train.xml").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        open_svt([tmp_path / "train.xml"])


def test_xml_without_rectangles_is_refused(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "train.xml").write_text("<tagset/>", encoding="utf-8")
    assert main(["data", "convert", "svt", str(tmp_path / "train.xml"), str(tmp_path / "out")]) == UNUSABLE
    assert "none of 0 samples could be written" in capsys.readouterr().err


def test_crops_are_gone_on_with_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph(tmp_path / "img_1.png")
    localised(tmp_path, "img_1", *(f"{left},5,40,5,40,25,{left},25,word{left}" for left in range(10)))
    command = ["data", "convert", "icdar-localisation", str(tmp_path), str(tmp_path / "out")]
    content = CropSource.content

    def stop(self: CropSource, index: int) -> bytes:
        if index == 7:
            raise KeyboardInterrupt
        return content(self, index)

    monkeypatch.setattr("wildtext.data.writer._COMMIT_SAMPLES", 2)
    with monkeypatch.context() as stopped:
        stopped.setattr(CropSource, "content", stop)
        assert main(command) == 130
    assert main(command) == OK
    packed = open_source(tmp_path / "out")
    assert [packed.text(index) for index in range(packed.size)] == [f"word{left}" for left in range(10)]
