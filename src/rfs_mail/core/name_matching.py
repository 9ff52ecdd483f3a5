"""
Is the `LOPEZ, MARIA J.` of an official candidate list our Maria Lopez of Dane County?

A score from 0 to 100 with the reasons for it, for a person to decide by; nothing is ever promoted by a score. It is
made to miss rather than to guess: both names have to agree, each in one of the ways that lists and forms are known to
differ in: capitals, accents, titles, suffixes, hyphens, swapped order, a nickname, an initial, one slip of a letter.
Names that are merely alike (Mark and Marcia) do not agree.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

LEAST: Final = 60
"""Matches below this score are not shown to anybody."""


def _set(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_TITLES: Final = _set(
    "mr mrs ms miss mx dr prof rev fr hon honorable sen senator rep representative judge justice mayor atty sgt capt",
    "col maj lt",
)
_SUFFIXES: Final = _set("jr sr ii iii iv v esq phd md dds jd cpa rn")
_PARTICLES: Final = _set("de del la las los da das dos di du van von der den ter ten st san al el bin ibn")
_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i"})
_QUOTED: Final = re.compile(r"[\"“”(\[]\s*([^\"“”()\[\]]+?)\s*[\"“”)\]]")
_APART: Final = re.compile(r"[^\w]+|_", re.UNICODE)
_APOSTROPHES: Final = re.compile(r"['’‘`´ʻʼ]")

_NICKNAMES: Final = (
    "abigail abby abbie", "albert al bert", "alejandro alejandra alex ale", "alexander alex alec sasha xander",
    "alexandra alex alexis sandra sasha lexi", "alfred alfredo al fred", "andrew andy drew", "angela angie",
    "anthony antonio tony", "antoinette toni", "barbara barb barbie babs", "benjamin ben benny benji",
    "bernard bernie", "beverly bev", "bradley brad", "catherine katherine kathryn cathy kathy kate katie kat katy",
    "kathleen kathy kate katie kay",
    "charles carlos charlie chuck chas", "charlotte charlie lottie", "christina christine chris tina chrissy christy",
    "christopher chris topher kit", "clifford cliff", "cynthia cindy", "daniel dan danny", "david dave davey",
    "deborah debra deb debbie", "dennis denny", "donald don donnie", "dorothy dot dottie", "douglas doug",
    "edward eduardo ed eddie ted ned", "eleanor ellie nell nora", "elizabeth liz beth betsy betty eliza lizzie libby",
    "emily em emmy", "eugene gene", "evelyn evie", "frances fran francie", "francis francisco frank pancho paco",
    "frederick fred freddie", "gabriel gabriela gabe gaby", "gerald jerry gerry", "gregory greg", "guadalupe lupe",
    "guillermo memo", "harold hal harry", "henry hank harry", "ignacio nacho", "isabel isabella bella izzy",
    "jacob jake", "jacqueline jackie", "james jim jimmy jamie", "janet jan", "jeffrey geoffrey jeff geoff",
    "jennifer jen jenny jenn", "jessica jess jessie", "jesus chuy", "john johnny jack jon", "jonathan jon john nathan",
    "jose joseph joe joey pepe", "joshua josh", "judith judy", "juliana julia julie", "kenneth ken kenny",
    "kimberly kim", "lawrence laurence larry", "leonard leo len lenny", "leticia letty", "louis luis lou",
    "lucille lucy", "manuel manny", "margaret maggie meg peg peggy marge margie greta", "maria mary mari",
    "matthew mateo matt matty", "maximilian max", "melissa mel missy", "michael miguel mike mikey mick",
    "michelle shelly", "nancy nan", "natalie nat", "nathaniel nathan nate nat", "nicholas nicolas nick nico",
    "pamela pam", "patricia pat patty patti trish tricia", "patrick pat paddy", "peter pedro pete",
    "philip phillip phil", "rachel rae", "raymond ramon ray", "rebecca becky becca",
    "richard ricardo rick ricky dick rich",
    "robert roberto rob robby bob bobby bert", "roberta bobbie", "ronald ron ronnie", "rosemary rosie rose",
    "russell russ", "samantha sam", "samuel sam sammy", "sandra sandy", "sarah sara sally", "stephanie steph",
    "stephen steven esteban steve stevie", "stuart stewart stu", "susan suzanne sue suzie susie",
    "teresa theresa terry tess",
    "theodore ted teddy theo", "thomas tomas tom tommy", "timothy tim timmy", "valerie val", "veronica ronnie roni",
    "victoria vicky vicki tori", "victor vic", "vincent vicente vince vinny", "virginia ginny", "walter walt",
    "wilhelmina mina willa", "william bill billy will willie liam", "zachary zach zack",
)  # fmt: skip
"""Names of one person, a line each; the forms of one name in English and Spanish among them."""

_GROUPS: Final[Mapping[str, frozenset[int]]] = {
    name: frozenset(number for number, line in enumerate(_NICKNAMES) if name in line.split())
    for name in {word for line in _NICKNAMES for word in line.split()}
}

Place = Literal["same", "unknown", "other"]


@dataclass(frozen=True, slots=True)
class Match:
    """How sure it is, 0 to 100, and why in words: what agrees and what does not."""

    score: int
    why: str


@dataclass(frozen=True, slots=True)
class Name:
    """
    A name taken apart: `given` and `family` in small letters without accents, titles and suffixes.

    `also` are nicknames in quotes or brackets. `ordered`: it is certain which part is which.
    """

    given: tuple[str, ...]
    family: tuple[str, ...]
    also: tuple[str, ...] = ()
    ordered: bool = True


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text: small letters, no accents, apostrophes closed up, hyphens and dots apart."""
    folded = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text).casefold().translate(_LETTERS))
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    return tuple(word for word in _APART.split(bare) if word)


@lru_cache(maxsize=65536)
def parse_name(text: str) -> Name:
    """
    A whole name as a list writes it: `LOPEZ, MARIA J.`, `*Hon. Robert "Bob" O'Brien Jr.`, `Lopez Garcia, Maria`.

    Without a comma the last word is the family name, with the particles before it (`de la Cruz`).
    """
    also = tuple(word for found in _QUOTED.findall(text) for word in plain_words(found))
    parts = [_names(part) for part in _QUOTED.sub(" ", text).split(",")]
    parts = [part for part in parts if part]  # `, Jr.` leaves nothing
    if len(parts) >= 2:
        return Name(parts[1], parts[0], also)
    words = parts[0] if parts else ()
    start = len(words) - 1
    while start > 1 and words[start - 1] in _PARTICLES:
        start -= 1
    return Name(words[: max(start, 0)], words[max(start, 0) :], also, ordered=False)


def name_of(given: str | None, family: str | None) -> Name:
    """A name that is kept in two fields, where a nickname may stand in quotes too."""
    text = given or ""
    also = tuple(word for found in _QUOTED.findall(text) for word in plain_words(found))
    return Name(_names(_QUOTED.sub(" ", text)), _names(family or ""), also)


def _names(text: str) -> tuple[str, ...]:
    words = plain_words(text)
    while words and words[0] in _TITLES and len(words) > 1:
        words = words[1:]
    while words and words[-1] in _SUFFIXES and (len(words) > 1 or words[-1] in ("jr", "sr", "esq", "ii", "iii")):
        words = words[:-1]
    return words


def match_names(ours: Name, theirs: Name, place: Place = "unknown") -> Match | None:
    """
    How likely two names are one person's; None below `LEAST`.

    The place counts as much as a doubtful name: 85 is the most without one that is known, 50 the most for another one,
    which is below `LEAST`.
    """
    best: tuple[float, list[str]] | None = None
    for share, said, other in _readings(theirs):
        family = _family(ours.family, other.family)
        given = _given(ours, other) if family else None
        if family is None or given is None:
            continue
        found = share * family[0] * given[0], [word for word in (said, family[1], given[1]) if word]
        best = max(best or found, found, key=lambda one: one[0])
    if best is None:
        return None
    share, why = best
    share *= {"same": 1.0, "unknown": 0.85, "other": 0.5}[place]
    why.append({"same": "same place", "unknown": "no place to compare", "other": "another place"}[place])
    score = round(100 * share)
    return Match(score, ", ".join(why)) if score >= LEAST else None


def _readings(name: Name) -> Iterable[tuple[float, str, Name]]:
    """The name as it stands, and in the other orders that it may be meant in."""
    yield 1.0, "", name
    if name.ordered or not name.given:
        return
    words = (*name.given, *name.family)
    for cut in range(1, len(words) - 1):  # a family name of several words, given names before it
        if words[cut:] != name.family:
            yield 1.0, "", Name(words[:cut], words[cut:], name.also)
    for cut in range(1, len(words)):
        yield 0.9, "in the other order", Name(words[cut:], words[:cut], name.also)


def _family(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[float, str] | None:
    if not ours or not theirs:
        return None
    if "".join(ours) == "".join(theirs):
        return 1.0, "family name"
    mine, other = ([word for word in words if word not in _PARTICLES] for words in (ours, theirs))
    if mine and mine == other:
        return 0.95, "family name but for a particle"
    if mine and other and (set(mine) < set(other) or set(other) < set(mine)):
        return 0.85, "part of a double family name"
    if len(mine) == len(other) and min(len("".join(ours)), len("".join(theirs))) >= 6 and _one_slip(ours, theirs):
        return 0.8, "family name but for a letter"
    return None


def _given(ours: Name, theirs: Name) -> tuple[float, str] | None:
    if not ours.given or not (theirs.given or theirs.also):
        return None
    first, other = ours.given[0], theirs.given[0] if theirs.given else ""
    if "".join(ours.given) == "".join(theirs.given):
        return 1.0, "given name"
    if first == other:
        middle = [words[1][0] for words in (ours.given, theirs.given) if len(words) > 1]
        if len(middle) == 2 and middle[0] != middle[1]:
            return 0.75, "given name, another middle name"
        return 1.0, "given name"
    mine, names = {first, *ours.also}, {other, *theirs.also} - {""}
    if mine & names:
        return 0.95, "nickname"
    if any(_GROUPS.get(one, frozenset()) & _GROUPS.get(two, frozenset()) for one in mine for two in names):
        return 0.9, f"{first} for {other}"
    if first in theirs.given[1:] or other in ours.given[1:]:
        return 0.85, "middle name"
    if other and (len(first) == 1 or len(other) == 1) and first[0] == other[0]:
        return 0.75, "initial"
    if min(len(first), len(other)) >= 5 and _one_slip((first,), (other,)):
        return 0.75, "given name but for a letter"
    return None


def _one_slip(ours: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    """One letter more, less, other, or two neighbours swapped. The last letter does not count: Mario is not Maria."""
    one, two = "".join(ours), "".join(theirs)
    if one[-1] != two[-1] or abs(len(one) - len(two)) > 1:
        return False
    short, long = sorted((one, two), key=len)
    start = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start : start + 2][::-1] == long[start : start + 2] and short[start + 2 :] == long[start + 2 :]
    return swapped or short[start + 1 :] == long[start + 1 :]


# -- places and offices ------------------------------------------------------------------------------------------------

_KINDS: Final = _set(
    "county parish borough city town village township of the district dist ward no school area unified board council",
    "state country us place supervisor municipality consolidated",
)


def place_words(text: str) -> frozenset[str]:
    """What names a place: `Dane County` and `ocd-division/country:us/state:wi/county:dane` are both `dane`."""
    if text.startswith("ocd-division/"):
        text = text.rpartition("/")[2].partition(":")[2].replace("_", " ")
    return frozenset(word.lstrip("0") or "0" for word in plain_words(text)) - _KINDS


def compare_places(ours: Iterable[str | None], theirs: Iterable[str | None]) -> Place:
    """Is one of our places one of theirs, or part of its name? `unknown` where a side says nothing."""
    mine = [words for text in ours if text and (words := place_words(text))]
    other = [words for text in theirs if text and (words := place_words(text))]
    if not mine or not other:
        return "unknown"
    return "same" if any(one <= two or two <= one for one in mine for two in other) else "other"


_LEVELS: Final = (
    ("school_board", "school board education"),
    ("judicial", "judge justice court magistrate judicial"),
    ("us_house", "congress congressional"),
    ("state_legislature", "senate senator assembly legislature legislative delegate representatives representative"),
    ("county", "county supervisor commissioner sheriff clerk-of-courts"),
    ("municipal", "mayor alder alderman alderperson alderwoman council councilor councilmember village city trustee"),
    ("statewide_executive", "governor attorney secretary treasurer comptroller auditor"),
)


def office_level(office: str) -> str | None:
    """The office level that a list's words for an office mean; None where they do not say."""
    words = set(plain_words(office))
    if "school" in words or {"board", "education"} <= words:
        return "school_board"
    return next((level for level, said in _LEVELS[1:] if words & set(said.split())), None)
