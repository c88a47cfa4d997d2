"""Chinese labels: words of signs, names, signs with figures, and characters without context."""

from __future__ import annotations

from collections.abc import Mapping

from wildtext.charset import NAMED, hanzi
from wildtext.synth.corpus.draws import Random, between, fill, pick, run
from wildtext.synth.corpus.vocabulary import MARKS, Vocabulary
from wildtext.synth.corpus.words import WordList, shipped

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石"
    "廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAMED = (
    "路", "街", "巷", "大道", "大街", "东路", "西路", "南路", "北路", "桥", "村", "镇", "站", "店", "大厦", "小区",
    "花园", "广场", "酒店", "宾馆", "医院", "小学", "中学",
)  # fmt: skip
_NUMBERED = (
    "#号", "##号", "###号", "#号楼", "##号楼", "#楼", "##楼", "#层", "#单元", "###室", "#栋", "#路", "##路",
    "###路", "#元", "##元", "##.#元", "#折", "#.#折", "#年", "20##年", "#月", "#月##日", "#小时", "24小时", "#公里",
    "#斤", "##岁", "#米", "##吨", "限高#.#米", "限速##", "@座", "@区", "@出口", "@#出口", "#号线", "#号口",
    "G##高速", "K###路", "¥##", "¥##.##", "第#届", "共##层", "#:00开门", "#:00-##:00",
)  # fmt: skip
_MARKS = (
    ("（", "）"), ("（", "）"), ("【", "】"), ("《", "》"), ("“", "”"), ("", "："), ("", "："), ("", "！"),  # noqa: RUF001
    ("", "！"), ("", "。"), ("", "，"), ("", "、"), ("", "？"), ("", "；"), ("·", ""), ("①", ""), ("", "…"),  # noqa: RUF001
)  # fmt: skip
_PLATES = ("@·#####", "@#####", "@·@####", "@##@##")
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"


class Chinese(Vocabulary):
    """Words of Chinese signs, and all 6,763 characters of GB 2312; the common ones more often.

    Args:
        cases: share of each case style, for the Latin letters.
        flatten: chance that a word is the one with the rarest characters out of four.
    """

    joiner = ""
    marks = (*MARKS, *_MARKS, *_MARKS, *_MARKS)

    def __init__(self, cases: Mapping[str, float], flatten: float):
        self._signs = WordList(shipped("chinese"))
        self._common, self._others = hanzi(16, 55), hanzi(56, 87)
        every = WordList((*self._signs.words, self._common, self._others))  # to count characters; see _draw
        super().__init__([(every, 1.0)], WordList(_NAMED), cases, flatten)
        self.letters = self._common
        marks = [mark for pair in self.marks for mark in pair]
        signs = "".join((*_NAMED, *_NUMBERED, *_PLATES, *marks, _SURNAMES, _PROVINCES, NAMED["94"]))
        self.characters = "".join(sorted({*self.characters, *signs}))

    def name(self, random: Random) -> str:
        """A person, a street or a place."""
        if random.random() < 0.4:
            return pick(_SURNAMES, random) + run(self._common, between(1, 2, random), random)
        place = self._signs.draw(random) if random.random() < 0.4 else run(self._common, 2, random)
        return place + pick(_NAMED, random)

    def _draw(self, random: Random) -> str:
        form = random.random()
        if form < 0.46:
            return self._signs.draw(random)
        if form < 0.56:
            return self._signs.draw(random) + self._signs.draw(random)
        if form < 0.66:
            return fill(pick(_NUMBERED, random), random)
        if form < 0.67:
            return pick(_PROVINCES, random) + fill(pick(_PLATES, random), random)
        pool = self._common if form < 0.92 else self._common + self._others
        return run(pool, between(1, 6, random), random)
