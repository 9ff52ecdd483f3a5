"""
The office somebody wants, as people, forms and exports write it -> office levels.

`School Board`, `city council; mayor`, `["school_board","municipal"]`, `junta escolar`. Nothing is guessed that could
be wrong: a senate is the state's or the nation's, so `Senate` alone is told and not taken. Where a known name stands
among other words (`Madison school board, if my kids agree`), it is taken and the reader says so.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple

from rfs_mail.core.filing_windows import OFFICE_LEVELS

ANY: Final = ""
"""The level of who would take any office."""


class Unread(NamedTuple):
    """A piece of the text that names no office, and what to write in its place."""

    text: str
    reason: str


class Offices(NamedTuple):
    """What a text says of offices."""

    levels: tuple[str, ...]
    """Office levels, each once, in the order in which they were named; `ANY` for any office."""
    among_words: bool
    """Was a name found among words that say something else?"""
    unread: tuple[Unread, ...]


def read_offices(text: str) -> Offices:
    """
    The offices that a text names. Several stand between semicolons, commas, slashes, line ends, or as a list.

    Who writes that she does not know yet (`not sure`, `no sé`) names none, and nothing is unread.
    """
    words = _words(text)
    whole = _WHOLE.get(words, _FOUND.get(words))
    if whole is not None:
        return Offices(whole, False, ())
    # `City council, District 5`: a piece that is no name and no other word says nothing beside one that is.
    parts = [part for part in _SEPARATORS.split(text) if not _beside(_words(part))]
    found = [_read(part) for part in parts] or [_nothing(text)] * bool(words)
    levels = dict.fromkeys(level for each in found for level in each.levels)
    unread = tuple(each for one in found for each in one.unread)
    return Offices(tuple(levels), any(each.among_words for each in found), unread)


def says_nothing(text: str) -> bool:
    """Does a text say that there is nothing to say yet: `not sure`, `undecided`, `no sé`?"""
    return _WHOLE.get(_words(text)) == ()


def nearest_office(text: str) -> str | None:
    """The office level, or the name of an office, that a mistyped text comes nearest to; None where nothing is near."""
    near = get_close_matches(" ".join(_words(text)), _NAMES, 1, cutoff=0.7)
    return _NAMES[near[0]] if near else None


# -- the names ---------------------------------------------------------------------------------------------------------

_WITHIN: Final[Mapping[str, str]] = {
    "school_board": "school board, school committee, school trustee, school director, school district, "
    "education board, board of education, board of ed, junta escolar, consejo escolar, comite escolar, "
    "junta de educacion, distrito escolar",
    "municipal": "municipal, municipality, mayor, city council, town council, village council, borough council, "
    "common council, municipal council, township council, city commission, city commissioner, council member, "
    "councilmember, councilman, councilwoman, councilperson, councilor, councillor, alder, alderman, alderwoman, "
    "alderperson, board of alders, select board, selectboard, selectman, selectwoman, selectperson, "
    "board of selectmen, town board, town supervisor, village board, village president, village trustee, "
    "township board, township supervisor, township trustee, city clerk, town clerk, village clerk, township clerk, "
    "city treasurer, city attorney, city controller, city office, town office, village office, city government, "
    "concejo municipal, consejo municipal, concejo de la ciudad, consejo de la ciudad, ayuntamiento, alcalde, "
    "alcaldesa, alcaldia, concejal, concejala, regidor, regidora, gobierno municipal, cargo municipal, municipio",
    "county": "county board, county commission, county commissioner, county council, county supervisor, "
    "county board of supervisors, board of supervisors, county executive, county office, county government, "
    "county clerk, county treasurer, county auditor, county assessor, county recorder, county attorney, sheriff, "
    "coroner, register of deeds, recorder of deeds, clerk of court, county clerk of court, clerk of the court, "
    "clerk of circuit court, clerk of the circuit court, commissioners court, quorum court, police jury, "
    "parish council, freeholder, condado, junta del condado, comision del condado, comisionado del condado, "
    "comisionada del condado, supervisor del condado, supervisora del condado, alguacil",
    "state_lower": "state lower, state house, state assembly, state representative, state rep, state delegate, "
    "house of delegates, state house of representatives, assembly member, assemblymember, assemblyman, assemblywoman, "
    "lower house, lower chamber, camara estatal, camara de representantes estatal, representante estatal, "
    "asamblea estatal",
    "state_upper": "state upper, state senate, state senator, upper house, upper chamber, senado estatal, "
    "senador estatal, senadora estatal",
    "state_legislature": "state legislature, state legislative, state legislator, state leg, state lawmaker, "
    "statehouse, legislature, legislator, general assembly, legislatura, legislador, legisladora",
    "statewide_executive": "statewide executive, governor, lieutenant governor, lt governor, attorney general, "
    "secretary of state, state treasurer, state auditor, state comptroller, state superintendent, "
    "superintendent of public instruction, insurance commissioner, agriculture commissioner, "
    "commissioner of agriculture, labor commissioner, land commissioner, public service commission, "
    "public service commissioner, corporation commission, corporation commissioner, gobernador, gobernadora, "
    "vicegobernador, vicegobernadora, procurador general, procuradora general, secretario de estado",
    "statewide_any": "statewide any, statewide, statewide office",
    "special_district": "special district, library board, library trustee, library district, park board, "
    "park district, park commissioner, water board, water district, fire board, fire district, fire commissioner, "
    "utility board, utility district, public utility, hospital board, hospital district, health district, "
    "soil and water, soil water, conservation district, sanitary district, sewer district, port commission, "
    "port commissioner, port district, transit board, transit district, irrigation district, drainage district, "
    "recreation district, community college board, community college trustee, community college district, "
    "distrito especial, distrito de agua, distrito de bomberos, junta de la biblioteca, junta de biblioteca",
    "judicial": "judicial, judiciary, judge, judgeship, justice, supreme court justice, magistrate, court, "
    "supreme court, circuit court, district court, county court, municipal court, superior court, court of appeals, "
    "juez, jueza, magistrado, magistrada, tribunal, poder judicial",
    "party_office": "party office, precinct committee, precinct captain, precinct chair, precinct delegate, "
    "precinct officer, precinct committeeperson, precinct committeeman, precinct committeewoman, committeeperson, "
    "committeeman, committeewoman, party committee, party chair, party delegate, central committee, "
    "democratic committee, republican committee, cargo del partido",
    "us_house": "us house, u s house, us house of representatives, u s house of representatives, us representative, "
    "u s representative, us rep, congress, us congress, u s congress, congressional, congressman, congresswoman, "
    "congressperson, congreso, congresista",
    "us_senate": "us senate, u s senate, us senator, u s senator, united states senate, united states senator, "
    "senado federal, senado de los estados unidos, senado de estados unidos",
    "federal": "federal office, white house",
    "local_any": "local any, local office, local government, gobierno local, cargo local, oficina local",
}  # fmt: skip
"""Office level -> names that mean it wherever they stand; the longest counts where several begin at one word."""

_ALONE: Final[Mapping[tuple[str, ...], str]] = {
    ("school_board",): "school, schools, board of school",
    ("municipal",): "city, town, township, village, borough, ward, council, ciudad, concejo",
    ("county",): "county, parish",
    ("state_lower",): "assembly, asamblea",
    ("state_legislature", "statewide_any"): "state, state office, state level, state government, estado, estatal, "
    "cargo estatal",
    ("federal",): "federal, national, president, presidente, nacional",
    ("local_any",): "local, local level",
    (ANY,): "any, any office, anything, all, all offices, all of the above, all of them, any of them, "
    "open to anything, open to any, no preference, cualquiera, cualquier cargo, cualquier puesto, todos, "
    "todos los anteriores, sin preferencia",
}  # fmt: skip
"""Office levels -> words that mean them where they stand alone."""

_NOT_KNOWN_YET: Final = (
    "not sure, not sure yet, im not sure, i m not sure, unsure, undecided, not decided, not decided yet, "
    "i don t know, don t know, i dont know, dont know, i don t know yet, don t know yet, idk, tbd, unknown, maybe, "
    "prefer not to say, prefer not to answer, decline to state, other, none, none yet, none of the above, no, not yet, "
    "not running, no se, no lo se, todavia no se, aun no se, no estoy seguro, no estoy segura, otro, otra, ninguno"
)
"""What means that nothing was named."""

_TWOFOLD: Final[Mapping[str, str]] = {
    "is the state's or the nation's; write state senate or U.S. senate": "senate, senator, senado, senador, senadora",
    "is the state's or the nation's; write state house or U.S. house": "house, house of representatives, "
    "representative, congressional house, camara de representantes, representante",
    "is a judge here and the head of the county there; write judicial or county": "county judge, juez del condado",
    "is elected statewide here and in districts there; write statewide_executive or special_district":
    "state board of education, state school board",
}  # fmt: skip
"""What to write, for names that stand for more than one level."""

_FILLERS: Final = (
    "a, an, the, my, our, of, for, in, on, at, to, i, am, im, m, want, would, like, run, running, be, member, "
    "candidate, candidacy, office, seat, position, place, post, job, race, election, elected, local, district, "
    "precinct, ward, zone, number, no, nonpartisan, large, level, commissioner, supervisor, trustee, board, clerk, "
    "chair, president, el, la, los, las, de, del, mi, un, una, para, quiero, ser, postularme, cargo, puesto, "
    "distrito, miembro"
)
"""Words beside a name that change nothing about its level."""

_NEGATIONS: Final = frozenset({"not", "never", "except", "without", "nunca", "excepto"})
MAX_WORDS: Final = 12
"""In a longer piece no name is looked for: it tells a story, and who is named in it may be somebody else."""

_SEPARATORS: Final = re.compile(r"[;,|/\r\n\t•·]+")
_JOINTS: Final = re.compile(r"\s+(?:and|or|and/or|y|e|o|u|&|\+)\s+", re.IGNORECASE)


def _words(text: str) -> tuple[str, ...]:
    """Letters and digits in words, without accents and case; a plural is its singular, on both sides."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    words = re.sub(r"[^0-9a-z]+", " ", plain.casefold()).split()
    return tuple(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words)


def _split(names: str) -> Iterable[str]:
    return (name.strip() for name in names.split(","))


_Phrase = tuple[str, ...]
_FOUND: Final[Mapping[_Phrase, tuple[str, ...]]] = {
    _words(name): (level,) for level, names in _WITHIN.items() for name in _split(names)
}
_DOUBTFUL: Final[Mapping[_Phrase, str]] = {
    _words(name): reason for reason, names in _TWOFOLD.items() for name in _split(names)
}
_WHOLE: Final[Mapping[_Phrase, tuple[str, ...]]] = {
    _words(name): levels for levels, names in _ALONE.items() for name in _split(names)
} | {_words(name): () for name in _split(_NOT_KNOWN_YET)}  # fmt: skip
_LONGEST: Final = max(map(len, (*_FOUND, *_DOUBTFUL)))
_NAMES: Final[Mapping[str, str]] = {
    " ".join(_words(name)): name for names in _WITHIN.values() for name in _split(names)
} | {" ".join(_words(level)): level for level in OFFICE_LEVELS}
_FILL: Final = frozenset(word for filler in _split(_FILLERS) for word in _words(filler))
UNKNOWN: Final = "names no office that is known; write one such as school_board, municipal, county or state_lower"
"""Why a piece is unread that holds no name."""
_TOO_LONG: Final = "is too long a text to be read safely; write one such as school_board, municipal or county"


def _beside(words: _Phrase) -> bool:
    """Are these only words and numbers that may stand beside a name (`District 5`, `at large`), and no name?"""
    return words not in _WHOLE and all(word in _FILL or word.isdecimal() for word in words)


def _nothing(text: str) -> Offices:
    return Offices((), False, (Unread(_shown(text), UNKNOWN),))


def _shown(part: str) -> str:
    return " ".join(part.split()).strip(" []\"'")


def _read(part: str) -> Offices:
    """One piece, which names one office, or several between `and`."""
    words = _words(part)
    alone = _alone(words)
    if alone is not None:
        return Offices(alone, False, ())
    pieces = _JOINTS.split(part.strip())
    if len(pieces) > 1:
        said = [_alone(_words(piece)) for piece in pieces]
        if all(said):
            return Offices(tuple(dict.fromkeys(level for each in said if each for level in each)), False, ())
    if len(words) > MAX_WORDS:
        return Offices((), False, (Unread(_shown(part), _TOO_LONG),))
    levels, doubts, rest = _scan(words)
    unread = tuple(Unread(_shown(part), doubt) for doubt in doubts[:1])
    if not levels or _denied(words):
        return _nothing(part) if not unread else Offices((), False, unread)
    return Offices(levels, bool(rest - _FILL), unread)


def _denied(words: _Phrase) -> bool:
    """Does somebody say what she does not want? `No. 5` is a number."""
    follows = (*words[1:], "")
    return any(
        word in _NEGATIONS or (word == "no" and not next_.isdecimal())
        for word, next_ in zip(words, follows, strict=True)
    )


def _alone(words: _Phrase) -> tuple[str, ...] | None:
    """The levels where these words are a name and little else; None where they are not."""
    known = _WHOLE.get(words, _FOUND.get(words))
    if known is not None or words in _DOUBTFUL or _denied(words):
        return known
    kept = tuple(word for word in words if word == "local" or (word not in _FILL and not word.isdecimal()))
    return _WHOLE.get(kept, _FOUND.get(kept)) if kept != words else None


def _scan(words: _Phrase) -> tuple[tuple[str, ...], list[str], frozenset[str]]:
    """Names among words: their levels, the reasons of those that mean more than one, and the words that are left."""
    levels: dict[str, None] = {}
    doubts: dict[str, None] = {}
    rest: set[str] = set()
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            phrase = words[at : at + length]
            if phrase in _FOUND:
                levels.update(dict.fromkeys(_FOUND[phrase]))
            elif phrase in _DOUBTFUL:
                doubts[_DOUBTFUL[phrase]] = None
            else:
                continue
            at += length
            break
        else:
            if not words[at].isdecimal():
                rest.add(words[at])
            at += 1
    return tuple(levels), list(doubts), frozenset(rest)
