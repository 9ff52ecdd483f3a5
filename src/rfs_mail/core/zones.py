"""
Where a person's clock is: state, county and ZIP code to an IANA zone; and the states themselves.

County first, then ZIP code, then the zone most of the state keeps, then America/New_York. A ZIP code is neither a
county nor a zone, so only prefixes and codes that lie wholly on one side of a line are listed; the fourteen states
that a line splits are listed by county where their county lines are the zone's. To widen the tables, add to them:
nothing else knows these facts. The lines are those of 49 CFR part 71. The packages of ZIP codes there are take the zone
of a code's middle, which is wrong where a line cuts it, and know no counties: they served to find what was missing.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final


def _codes(text: str) -> list[str]:
    return text.split()


DEFAULT_ZONE: Final = "America/New_York"

_EASTERN = "America/New_York"
_CENTRAL = "America/Chicago"
_MOUNTAIN = "America/Denver"
_PACIFIC = "America/Los_Angeles"

STATES: Final[Mapping[str, str]] = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
    "AS": "American Samoa", "GU": "Guam", "MP": "Northern Mariana Islands", "PR": "Puerto Rico",
    "VI": "U.S. Virgin Islands", "FM": "Micronesia", "MH": "Marshall Islands", "PW": "Palau",
    "AA": "Armed Forces Americas", "AE": "Armed Forces Europe", "AP": "Armed Forces Pacific",
}  # fmt: skip
"""USPS code -> name: the states, DC, the territories, the freely associated states and military mail."""

_SPELLINGS: Final[Mapping[str, str]] = {
    **{re.sub(r"[^a-z]", "", name.lower()): code for code, name in STATES.items()},
    **{code.lower(): code for code in STATES},
    "washingtondc": "DC", "dcwashington": "DC", "virginislands": "VI", "usvirginislands": "VI", "usvi": "VI",
    "ala": "AL", "ariz": "AZ", "ark": "AR", "calif": "CA", "cal": "CA", "colo": "CO", "conn": "CT", "del": "DE",
    "fla": "FL", "ill": "IL", "ind": "IN", "kan": "KS", "mass": "MA", "mich": "MI", "minn": "MN", "miss": "MS",
    "mont": "MT", "neb": "NE", "nebr": "NE", "nev": "NV", "okla": "OK", "ore": "OR", "penn": "PA", "penna": "PA",
    "tenn": "TN", "tex": "TX", "wash": "WA", "wis": "WI", "wisc": "WI", "wyo": "WY", "nmex": "NM", "ndak": "ND",
    "sdak": "SD", "wva": "WV", "ncar": "NC", "scar": "SC", "masachusetts": "MA", "massachussetts": "MA",
    "pennsilvania": "PA", "puertorrico": "PR",
}  # fmt: skip

_STATE_ZONES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_codes("CT DE DC FL GA KY ME MD MA NH NJ NY NC OH PA RI SC VT VA WV"), _EASTERN),
    **dict.fromkeys(_codes("AL AR IL IA KS LA MN MS MO NE ND OK SD TN TX WI"), _CENTRAL),
    **dict.fromkeys(_codes("CO MT NM UT WY"), _MOUNTAIN),
    **dict.fromkeys(_codes("CA NV OR WA"), _PACIFIC),
    "AZ": "America/Phoenix",
    "AK": "America/Anchorage",
    "HI": "Pacific/Honolulu",
    "ID": "America/Boise",
    "IN": "America/Indiana/Indianapolis",
    "MI": "America/Detroit",
    "PR": "America/Puerto_Rico",
    "VI": "America/St_Thomas",
    "GU": "Pacific/Guam",
    "MP": "Pacific/Saipan",
    "AS": "Pacific/Pago_Pago",
    "FM": "Pacific/Pohnpei",
    "MH": "Pacific/Majuro",
    "PW": "Pacific/Palau",
}
"""The zone most of a state's people keep. Military mail has none: it keeps the default."""

_COUNTY_ZONES: Final[Mapping[tuple[str, str], str]] = {
    (state, county): zone
    for state, zone, counties in (
        ("FL", _CENTRAL, "bay|calhoun|escambia|holmes|jackson|okaloosa|santa rosa|walton|washington"),
        (
            "IN",
            _CENTRAL,
            "gibson|jasper|lake|laporte|newton|perry|porter|posey|spencer|starke|vanderburgh|warrick",
        ),
        ("KS", _MOUNTAIN, "greeley|hamilton|sherman|wallace"),
        (
            "KY",
            _CENTRAL,
            "adair|allen|ballard|barren|breckinridge|butler|caldwell|calloway|carlisle|christian|clinton|crittenden|"
            "cumberland|daviess|edmonson|fulton|graves|grayson|green|hancock|hart|henderson|hickman|hopkins|livingston|"
            "logan|lyon|mccracken|mclean|marshall|metcalfe|monroe|muhlenberg|ohio|russell|simpson|todd|trigg|union|"
            "warren|webster",
        ),
        ("MI", "America/Menominee", "dickinson|gogebic|iron|menominee"),
        ("ND", _MOUNTAIN, "adams|billings|bowman|golden valley|grant|hettinger|slope|stark"),
        (
            "NE",
            _MOUNTAIN,
            "arthur|banner|box butte|chase|cheyenne|dawes|deuel|dundy|garden|grant|hooker|keith|kimball|morrill|"
            "perkins|scotts bluff|sheridan|sioux",
        ),
        ("OR", "America/Boise", "malheur"),
        (
            "SD",
            _MOUNTAIN,
            "bennett|butte|corson|custer|dewey|fall river|haakon|harding|jackson|lawrence|meade|oglala lakota|"
            "pennington|perkins|shannon|ziebach",
        ),
        (
            "TN",
            _EASTERN,
            "anderson|blount|bradley|campbell|carter|claiborne|cocke|grainger|greene|hamblen|hamilton|hancock|hawkins|"
            "jefferson|johnson|knox|loudon|mcminn|meigs|monroe|morgan|polk|rhea|roane|scott|sevier|sullivan|unicoi|"
            "union|washington",
        ),
        ("TX", _MOUNTAIN, "el paso|hudspeth"),
        (
            "ID",
            _PACIFIC,
            "benewah|bonner|boundary|clearwater|kootenai|latah|lewis|nez perce|shoshone",
        ),
    )
    for county in counties.split("|")
}
"""
The counties off their state's zone. Left to the ZIP code: Gulf (FL), Idaho (ID), Cherry (NE), Stanley (SD), Dunn,
McKenzie and Sioux (ND), Aleutians West (AK), Elko (NV) and the counties of the Navajo Nation (AZ), which a line cuts.
"""

_CUT_COUNTIES: Final = frozenset(
    {
        ("FL", "gulf"), ("ID", "idaho"), ("NE", "cherry"), ("SD", "stanley"), ("ND", "dunn"), ("ND", "mckenzie"),
        ("ND", "sioux"), ("AK", "aleutians west"), ("NV", "elko"), ("AZ", "apache"), ("AZ", "navajo"),
        ("AZ", "coconino"),
    }
)  # fmt: skip

_ZIP_PREFIX_ZONES: Final[Mapping[str, str]] = {
    "324": _CENTRAL,  # Panama City
    "325": _CENTRAL,  # Pensacola
    "374": _EASTERN,  # Chattanooga
    "376": _EASTERN,  # Johnson City
    "377": _EASTERN,
    "378": _EASTERN,
    "379": _EASTERN,  # Knoxville
    "420": _CENTRAL,  # Paducah
    "421": _CENTRAL,  # Bowling Green
    "422": _CENTRAL,
    "423": _CENTRAL,  # Owensboro
    "424": _CENTRAL,  # Henderson
    "463": _CENTRAL,
    "464": _CENTRAL,  # Gary
    "476": _CENTRAL,
    "477": _CENTRAL,  # Evansville
    "577": _MOUNTAIN,  # Rapid City
    "586": _MOUNTAIN,  # Dickinson
    "693": _MOUNTAIN,  # Scottsbluff
    "799": _MOUNTAIN,  # El Paso
    "835": _PACIFIC,  # Lewiston
    "838": _PACIFIC,  # Coeur d'Alene
    "885": _MOUNTAIN,  # El Paso
    "979": "America/Boise",  # Ontario
}
_ZIP_ZONES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("32456", "32457"), _EASTERN),  # Port St. Joe
    **dict.fromkeys(
        _codes("79821 79835 79836 79837 79838 79839 79847 79849 79851 79853"), _MOUNTAIN
    ),  # El Paso and Hudspeth counties
    **dict.fromkeys(("83547", "83549"), "America/Boise"),  # Pollock, Riggins
    **dict.fromkeys(("97904", "97905", "97907"), _PACIFIC),  # Harney and Baker counties
    **dict.fromkeys(("89825", "89883"), _MOUNTAIN),  # Jackpot, West Wendover
    **dict.fromkeys(("99546", "99547"), "America/Adak"),  # Adak, Atka
    **dict.fromkeys(
        _codes(
            "37302 37303 37304 37307 37308 37309 37310 37311 37312 37314 37315 37316 37317 37320 37321 37322 37323 "
            "37325 37326 37329 37331 37332 37333 37336 37337 37341 37343 37350 37351 37353 37354 37361 37362 37363 "
            "37364 37369 37370 37371 37373 37377 37379 37381 37384 37385 37391"
        ),
        _EASTERN,
    ),  # the counties around Chattanooga, which share their prefix with Marion and Franklin
    "37723": _CENTRAL,  # Crab Orchard
    **dict.fromkeys(
        _codes(
            "40111 40115 40119 40140 40143 40144 40145 40146 40152 40153 40170 40171 40176 40178 "  # Breckinridge
            "42602 42603 42629 42642 42712 42713 42715 42717 42720 42721 42722 42726 42728 42729 42731 42741 42742 "
            "42743 42746 42749 42753 42754 42755 42759 42762 42765 42782"  # Clinton and Russell to Green and Grayson
        ),
        _CENTRAL,
    ),
    **dict.fromkeys(
        _codes(
            "46531 46532 46534 46968 "  # Starke county
            "47514 47515 47520 47523 47525 47531 47536 47537 47550 47551 47552 47556 47574 47576 47577 47579 47586 "
            "47588 47922 47943 47948 47951 47963 47964 47977 47978"  # Perry and Spencer, Newton and Jasper
        ),
        _CENTRAL,
    ),
    **dict.fromkeys(
        _codes(
            "49801 49802 49812 49815 49821 49831 49834 49845 49847 49848 49852 49858 49863 49870 49873 49874 49876 "
            "49877 49881 49886 49887 49892 49893 49896 49902 49903 49911 49915 49920 49927 49935 49938 49947 49959 "
            "49964 49968 49969"
        ),
        "America/Menominee",
    ),  # the four counties along Wisconsin
    **dict.fromkeys(
        _codes(
            "57537 57543 57547 57551 57552 57553 57567 57574 57577 57620 57621 57622 57623 57625 57626 57630 57633 "
            "57634 57636 57638 57639 57640 57641 57642 57644 57645 57649 57650 57651 57652 57656 57657 57658 57659 "
            "57660 57661"
        ),
        _MOUNTAIN,
    ),  # South Dakota west of the river, outside the 577
    **dict.fromkeys(_codes("58529 58533 58562 58564 58569"), _MOUNTAIN),  # Grant county
    **dict.fromkeys(("58631", "58638"), _CENTRAL),  # Glen Ullin, Hebron
    **dict.fromkeys(
        _codes("67733 67735 67741 67758 67761 67762 67836 67857 67878 67879"), _MOUNTAIN
    ),  # Sherman, Wallace, Greeley and Hamilton
    **dict.fromkeys(
        _codes(
            "69021 69023 69027 69030 69033 69037 69041 69045 69121 69122 69125 69127 69128 69129 69131 69133 69134 "
            "69140 69141 69144 69145 69146 69147 69148 69149 69150 69152 69153 69154 69155 69156 69160 69162 69168 "
            "69190 69211 69216 69218 69219"
        ),
        _MOUNTAIN,
    ),  # Nebraska's west, outside the 693
    **dict.fromkeys(
        _codes(
            "86020 86031 86033 86035 86044 86045 86053 86054 86503 86504 86505 86506 86507 86508 86510 86511 86514 "
            "86515 86520 86535 86538 86540 86544 86545 86547 86556"
        ),
        _MOUNTAIN,
    ),  # the Navajo Nation, which changes its clocks; the Hopi villages inside it (86030, 86034, 86043 ..) do not
}

_ZIP_STATES: Final[tuple[tuple[int, int, str], ...]] = (
    (5, 5, "NY"), (6, 7, "PR"), (8, 8, "VI"), (9, 9, "PR"), (10, 27, "MA"), (28, 29, "RI"), (30, 38, "NH"),
    (39, 49, "ME"), (50, 54, "VT"), (55, 55, "MA"), (56, 59, "VT"), (60, 69, "CT"), (70, 89, "NJ"), (90, 98, "AE"),
    (100, 149, "NY"), (150, 196, "PA"), (197, 199, "DE"), (200, 200, "DC"), (201, 201, "VA"), (202, 205, "DC"),
    (206, 219, "MD"), (220, 246, "VA"), (247, 268, "WV"), (270, 289, "NC"), (290, 299, "SC"), (300, 319, "GA"),
    (320, 339, "FL"), (340, 340, "AA"), (341, 349, "FL"), (350, 369, "AL"), (370, 385, "TN"), (386, 397, "MS"),
    (398, 399, "GA"), (400, 427, "KY"), (430, 459, "OH"), (460, 479, "IN"), (480, 499, "MI"), (500, 528, "IA"),
    (530, 549, "WI"), (550, 567, "MN"), (569, 569, "DC"), (570, 577, "SD"), (580, 588, "ND"), (590, 599, "MT"),
    (600, 629, "IL"), (630, 658, "MO"), (660, 679, "KS"), (680, 693, "NE"), (700, 714, "LA"), (716, 729, "AR"),
    (730, 732, "OK"), (733, 733, "TX"), (734, 749, "OK"), (750, 799, "TX"), (800, 816, "CO"), (820, 831, "WY"),
    (832, 838, "ID"), (840, 847, "UT"), (850, 865, "AZ"), (870, 884, "NM"), (885, 885, "TX"), (889, 898, "NV"),
    (900, 961, "CA"), (962, 966, "AP"), (967, 968, "HI"), (969, 969, "GU"), (970, 979, "OR"), (980, 994, "WA"),
    (995, 999, "AK"),
)  # fmt: skip
"""First and last three-digit ZIP prefix of each state."""

_ZIP_EXCEPTIONS: Final[Mapping[str, str]] = {
    "06390": "NY", "83414": "WY", "96799": "AS", "96950": "MP", "96951": "MP", "96952": "MP", "96939": "PW",
    "96940": "PW", "96941": "FM", "96942": "FM", "96943": "FM", "96944": "FM", "96960": "MH", "96970": "MH",
}  # fmt: skip


@lru_cache(maxsize=4096)
def state_code(text: str) -> str | None:
    """The USPS code of a state in any usual spelling (`wi`, `Wis.`, `Wisconsin`, `US-WI`); None where it is none."""
    letters = re.sub(r"[^a-z]", "", text.lower())
    code = _SPELLINGS.get(letters)
    if code is None and letters.startswith("us") and len(letters) == 4:
        code = _SPELLINGS.get(letters[2:])
    return code


@lru_cache(maxsize=65536)
def state_of_zip(zip5: str) -> str | None:
    """The state a five-digit ZIP code lies in; None where no code begins like this."""
    if zip5 in _ZIP_EXCEPTIONS:
        return _ZIP_EXCEPTIONS[zip5]
    if len(zip5) != 5 or not zip5.isdecimal():
        return None
    prefix = int(zip5[:3])
    return next((state for first, last, state in _ZIP_STATES if first <= prefix <= last), None)


@lru_cache(maxsize=65536)
def zone_of(state: str | None, county: str | None, zip5: str | None) -> str:
    """
    The IANA zone of somebody who lives there: by county, else ZIP code, else state, else America/New_York.

    `state` is a USPS code; without one the ZIP code tells it. A ZIP code of another state than `state` is not asked.
    """
    by_zip = state_of_zip(zip5) if zip5 else None
    place = state or by_zip
    if place is None:
        return DEFAULT_ZONE
    if county:
        name = county_name(county)
        zone = _COUNTY_ZONES.get((place, name))
        if zone is not None:
            return zone
        if any(known == place for known, _ in _COUNTY_ZONES) and (place, name) not in _CUT_COUNTIES:
            return _STATE_ZONES[place]  # a county is known, and it is none of those off the state's zone
    if zip5 and by_zip == place:
        zone = _ZIP_ZONES.get(zip5) or _ZIP_PREFIX_ZONES.get(zip5[:3])
        if zone is not None:
            return zone
    return _STATE_ZONES.get(place, DEFAULT_ZONE)


@lru_cache(maxsize=64)
def clocks_of(state: str) -> frozenset[str]:
    """The IANA zones that places of a state (a USPS code) go by; none for what is no state. A clock may have others."""
    own = {_STATE_ZONES[state]} if state in _STATE_ZONES else set()
    own |= {zone for (place, _), zone in _COUNTY_ZONES.items() if place == state}
    own |= {zone for zip5, zone in _ZIP_ZONES.items() if state_of_zip(zip5) == state}
    own |= {zone for prefix, zone in _ZIP_PREFIX_ZONES.items() if state_of_zip(f"{prefix}00") == state}
    return frozenset(own)


def county_name(county: str) -> str:
    """A county's name for comparing: lower case, without "County" and its like, blanks single."""
    words = " ".join(county.lower().replace(".", " ").replace("-", " ").split())
    words = re.sub(r" (county|co|parish|borough|census area|municipality)$", "", words)
    return "laporte" if words == "la porte" else words
