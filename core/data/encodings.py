"""Detection of the encoding of names and tables that do not state it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Literal

Encoding = Literal[
    "", "utf-8", "cp932", "gb18030", "big5", "cp949", "euc-kr", "cp1251", "cp866", "cp1252", "cp850", "cp437"
]
SINGLE = ("cp437", "cp850", "cp1252", "cp1251", "cp866")  # one byte per letter
ASIAN = ("cp932", "gb18030", "big5", "cp949")
PROSE = re.compile(  # typographic apostrophes and dashes, degrees, powers
    "(?<=[A-Za-z])\u2019(?=[a-z])|(?<= )[\u2013\u2014](?= )|"
    r"(?<=\d)[\u2013\u00b0](?=[\dCF])|(?<=[\da-z])[\u00b2\u00b3\u00b5](?!\w)"
)
LATIN = re.compile(
    "[A-Z\u00c0-\u00d6\u00d8-\u00de]?[a-z\u00df-\u00f6\u00f8-\u017f\u0300-\u036f]+|[A-Z\u00c0-\u00d6\u00d8-\u00de]{2,}"
)
CYRILLIC = re.compile("[\u0401-\u042f]?[\u0430-\u0451]{2,}|[\u0401-\u042f]{3,}")
OTHERS = re.compile("[\u0386-\u03ce]{2,}|[\u05d0-\u05ea]{2,}|[\u0621-\u064a]{2,}")  # Greek, Hebrew, Arabic
COMMON_HAN = frozenset(  # half of the characters in class names: simplified, traditional and Japanese
    "不合格良好坏正常异有无是否病害健康品人男女老少大小中上下左右前后黑白红黄蓝绿灰金银铜铁木石水火土山海河湖天日月星云雨雪风冰"
    "犬猫狗鸟鱼马牛羊猪鸡鸭鹅兔鼠虎狮熊象猴鹿蛇龙龟鹰鸽雀虫蝶蜂蚁花草树叶果苹橙蕉梨桃李梅瓜茄菜豆米麦玉葡萄草莓樱柠檬西红柿番"
    "车船机飞汽自行火电动摩托公交手杯瓶碗盘刀叉桌椅床灯门窗书笔纸包鞋帽衣裤裙表镜球塑料玻璃金属废垃圾厨余可回收物其他类型号第一二"
    "三四五六七八九十百千万头耳眼口鼻脸心肝肺骨细胞肿瘤癌炎早期中晚疾叶斑锈霉枯虫裂痕划伤缺陷孔污渍毛短长圆方高低泰迪哈士奇柴"
    "訓練測試馬鳥魚豬雞鴨鵝龍龜鷹車門書筆紙雲風銀銅鐵紅黃藍綠異無葉樹蘋柳松竹菊蘭荷百合玫瑰向葵郁桜薔薇蝶蜂園学校男性女猿狐狸狼"
)
COMMON_KOREAN = frozenset(  # nine of ten syllables in Korean text; the other 2,000 are rare in names
    "가각간갈감갑강같개객거건걸검것게격견결경계고곡곤골곰공과관광교구국군굴궁권귀규그극근글금급기긴길김까깨께꼬꽃끼나난날남"
    "납내너네년노녹논농누눈뉴는늘능니님다단달담답당대더덕데도독돈돌동두둘드득든들등디따때또라락란람랑래량러럭런레려력련령로록"
    "론료루류륙률르름릉리린림립마막만말망매맥머먹면명모목몸무문물미민밀바박반발밤방배백뱀버번벌범법벽변별병보복본봉부북분불비"
    "빈빙사산살삼상새색생서석선설섬성세소속손송쇠수숙순술숭스슬습승시식신실심싱쌀쓰씨아악안알암압앙애야약양어언얼엄업에여역연"
    "열염엽영예오옥온올와완왕외요용우운울원월위유육윤율은을음의이인일임입자작잔장재저적전절점접정제조족존종좌주죽준중쥐즉증지"
    "직진질집차찬참창채책처천철첫청체초촌총최추축춘출충취층치칠침카칼커코콜쿠크큰클키타탁탄탈탐태터토통투트특티파판팔패퍼페편평"
    "포폭표풀품풍프피필하학한할함합항해핵행향허험헌혁현혈형호혼홍화환활황회획효후훈휘휴흑흰흥희히"
)
LONGEST, MOST = 300, 2000  # bytes of a text, and texts, that are read
ASCII, LETTER, RARE = 1 / 64, 1 / 60, 1e-6  # probability of a character: ASCII, a letter, an unlikely one
MIXED = 1 / 100  # probability of a non-Latin character between Latin letters
USUAL = {
    "cp932": (0x88, 0x97, 2965),
    "gb18030": (0xB0, 0xD7, 3755),
    "big5": (0xA4, 0xC6, 5401),
}  # lead bytes, characters


def log_likelihoods(texts: Iterable[bytes], encodings: Iterable[str]) -> dict[str, float]:
    """The log-likelihood of the first texts that are not too long, in each encoding that can decode them."""
    found: dict[str, float] = {}
    texts = [text for text in texts if len(text) <= LONGEST][:MOST]
    for encoding in encodings:
        try:
            found[encoding] = sum(_log_likelihood(text.decode(encoding), encoding) for text in texts)
        except UnicodeDecodeError:
            continue
    return found


def _log_likelihood(text: str, encoding: str) -> float:
    """The log-likelihood of a text among the names that people write in an encoding."""
    in_words = {i for word in _words(text, encoding) for i in range(*word.span())}
    mixed = encoding not in SINGLE and len(re.findall(r"(?<=[A-Za-z])[^\x00-\u0fff](?=[A-Za-z])", text))
    probabilities = (_probability(sign, encoding, i in in_words) for i, sign in enumerate(text))
    return sum(map(math.log, probabilities)) + mixed * math.log(MIXED)


def _words(text: str, encoding: str) -> Iterator[re.Match[str]]:
    """Plausible words: of one script, capitals only at the start or throughout, and Latin ones mostly ASCII."""
    if encoding == "cp1252":
        yield from PROSE.finditer(text)
    if encoding not in ("cp1251", "cp866"):
        yield from (word for word in LATIN.finditer(text) if 2 * sum(map(str.isascii, word[0])) >= len(word[0]) > 1)
    if encoding in ("cp1251", "cp866", "utf-8"):
        yield from CYRILLIC.finditer(text)
    if encoding == "utf-8":
        yield from OTHERS.finditer(text)


def _probability(sign: str, encoding: str, in_word: bool) -> float:
    if sign.isascii():
        return ASCII
    if encoding in SINGLE or (encoding == "utf-8" and sign < "\u0800"):
        return LETTER if in_word else RARE
    if encoding == "utf-8":  # text in another encoding is hardly ever valid UTF-8
        return 1 / 1000
    if encoding == "cp949" and "가" <= sign <= "힣":
        return 0.95 / len(COMMON_KOREAN) if sign in COMMON_KOREAN else 0.04 / 2000
    if encoding == "cp932" and "\u3041" <= sign <= "\u30fe":  # kana
        return 0.5 / 170
    return 0.5 / len(COMMON_HAN) if sign in COMMON_HAN and encoding != "cp949" else _probability_of_han(sign, encoding)


def _probability_of_han(sign: str, encoding: str) -> float:
    """By the lead byte: the standards list common characters first."""
    first, last, number = USUAL.get(encoding, (0, 0, 1))
    try:
        code = sign.encode({"gb18030": "gb2312"}.get(encoding, encoding))
    except UnicodeEncodeError:
        return RARE
    return 0.4 / number if len(code) == 2 and first <= code[0] <= last else RARE
