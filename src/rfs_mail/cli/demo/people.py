"""
Synthetic people and the files they come in, the same for every run: nothing here is drawn from a clock or from anybody.

They live where an organisation's people live (more in Wisconsin, Texas and Mississippi than elsewhere, some on the far
side of a time zone's line), write their addresses in more than one way, and a few of the rows are no good at all. All
addresses end in example.org, example.com, example.net or .test, which lead to nobody.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random

SEED = 20261110
"""The first day of the story; any other number makes other people."""

FIRST_DAY = date(2026, 11, 10)
DAILY_EXPORT = time(13, 0)
"""When the form's export of the day comes in, UTC."""


@dataclass(frozen=True, slots=True)
class Someone:
    """One synthetic person."""

    given: str
    family: str
    address: str
    state: str
    county: str
    zip: str
    lang: str
    birth_year: int
    office: str
    """Which office she thinks of, in her words; what a few write is none that can be told."""
    endorsable: bool
    signed_up_at: datetime
    group: str
    """older, early, civics, tabling, form or burst: which file she comes in."""
    dead: bool = False
    """Her mailbox does not exist."""
    slow: bool = False
    """Her mail server says "later" to a sender it meets for the first time."""
    scanned: bool = False
    """Her employer's gateway follows every link before she sees the mail."""


@dataclass(frozen=True, slots=True)
class SignupFile:
    """One file of sign-ups as somebody sends it, and what its people agreed to."""

    name: str
    at: datetime
    """When it is imported."""
    source: str
    entity: str
    consent: str | None
    text: str
    mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """How large the story is. The groups add up to the number of different people."""

    older: int
    early: int
    civics: int
    tabling: int
    form: int
    burst: int
    days: int
    burst_on: date
    """The Sunday evening on which many sign up at once."""
    moves_on: date
    """The day on which Wisconsin moves its deadline."""

    @property
    def people(self) -> int:
        """All of them."""
        return self.older + self.early + self.civics + self.tabling + self.form + self.burst


FULL = Size(1_550, 1_750, 250, 150, 950, 350, 66, date(2026, 12, 20), date(2026, 12, 14))
QUICK = Size(100, 150, 25, 10, 55, 160, 23, date(2026, 11, 22), date(2026, 12, 2))

CONSENT = {
    "rfs": "Yes, send me emails about running for office and about deadlines.",
    "rfs_civics": "Keep me posted about National Run for Office Day.",
}
"""What the forms said, word for word."""

MARIA = "maria@example.org"
"""The person whose whole story is told: Maria Alvarez of Milwaukee."""

# -- where and who -----------------------------------------------------------------------------------------------------

_PLACES: tuple[tuple[float, str, str, str], ...] = (
    (6.0, "WI", "Milwaukee", "532"), (4.0, "WI", "Dane", "537"), (2.0, "WI", "Marathon", "544"),
    (5.5, "TX", "Travis", "787"), (5.5, "TX", "Harris", "770"), (3.0, "TX", "Bexar", "782"),
    (2.0, "TX", "El Paso", "799"), (3.0, "MS", "Hinds", "392"), (7.5, "CA", "Alameda", "946"),
    (6.5, "NY", "Kings", "112"), (5.0, "FL", "Orange", "328"), (1.0, "FL", "Bay", "324"),
    (4.5, "PA", "Allegheny", "152"), (4.5, "IL", "Cook", "606"), (4.0, "OH", "Franklin", "432"),
    (4.0, "GA", "DeKalb", "300"), (4.0, "NC", "Wake", "276"), (3.0, "MI", "Wayne", "482"),
    (0.7, "MI", "Menominee", "498"), (3.0, "VA", "Fairfax", "220"), (2.5, "WA", "King", "981"),
    (2.5, "AZ", "Pima", "857"), (2.0, "CO", "Denver", "802"), (1.8, "TN", "Davidson", "372"),
    (0.7, "TN", "Marion", "373"), (2.0, "MN", "Hennepin", "554"), (2.0, "MO", "Greene", "658"),
    (1.5, "OR", "Lane", "974"), (0.3, "OR", "Malheur", "979"), (1.5, "NJ", "Essex", "071"),
    (1.5, "MA", "Hampden", "011"), (1.2, "KY", "Fayette", "405"), (1.0, "LA", "Orleans", "701"),
    (1.0, "KS", "Douglas", "660"), (0.8, "NM", "Bernalillo", "871"), (0.8, "IA", "Polk", "503"),
    (0.6, "AK", "Anchorage", "995"), (0.6, "HI", "Honolulu", "968"), (0.4, "PR", "Ponce", "007"),
    (0.4, "MT", "Missoula", "598"), (0.4, "ND", "Stark", "586"), (0.3, "ME", "Penobscot", "044"),
)  # fmt: skip
"""Weight, state, county, first digits of the ZIP codes."""


def _words(text: str) -> list[str]:
    return text.split()


_GIVEN = _words(
    "Aisha Alma Andre Anh Beatriz Ben Brianna Caleb Carmen Chidi Clara Dalia Darius Deja Diego Elena Eli Emeka "
    "Esther Farah Fatima Felix Gabriela George Grace Hana Hassan Imani Ines Isaac Ivy Jamal Jasmine Jesús Jin "
    "Joanna Jonah José Josefina Kai Keisha Kofi Lakshmi Lars Leila Linh Lucía Luz Mai Malik Marcus Mei Mikaela "
    "Miriam Naomi Nia Noah Nora Olu Omar Owen Paloma Pedro Priya Quinn Rafael Rashid Renée Rosa Ruth Sam Sara "
    "Shanice Siobhán Sofía Soren Tamika Tariq Teo Thandiwe Tomás Uma Valeria Wei Willa Xiomara Yara Yusuf Zainab "
    "Zoë"
)
_FAMILY = _words(
    "Abbott Acosta Adeyemi Aguilar Ahmed Alvarado Baker Banerjee Begay Bell Bianchi Brooks Byrne Campos Carter "
    "Castillo Chavez Chen Cole Cruz Dang Delgado Diaz Dubois Eriksen Espinoza Farouk Fernández Fischer Flores "
    "Foster Garza Gomez Grant Gutiérrez Hansen Hayes Herrera Hoang Hughes Ibrahim Iyer Jackson Jensen Johnson "
    "Kaur Kelly Khan Kim Kowalski Lam Larsen Lee Lewis Lopez Mbeki Medina Mendoza Miller Mitchell Molina Moore "
    "Muñoz Nakamura Ndiaye Nguyen Nowak Núñez O'Brien Okafor Olsen Ortiz Osei Park Patel Pérez Petrov Quispe "
    "Ramos Reyes Rivera Robinson Romero Ruiz Sato Schmidt Shah Silva Singh Sorensen Soto Tanaka Taylor Thompson "
    "Torres Tran Valdez Vang Vega Walker Washington Weber Whitehorse Williams Wright Yang Young Zamora Zhang "
    "Zielinski"
)
_DOMAINS = (
    "example.org", "example.org", "example.com", "example.com", "example.net", "mail.example.org", "post.example.com",
    "inbox.example.net", "home.test", "letters.test",
)  # fmt: skip
_UNDECIDED = ("Not sure yet", "not sure", "not sure", "undecided", "I don't know", "any"), ("No sé", "no estoy segura")
_OFFICES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("School Board", "school board", "school_board", "School Board; City Council"), ("Junta escolar",)),
    (("City Council", "city council", "mayor", "Town board, or school board"), ("Concejo municipal", "alcaldesa")),
    (("County Commissioner", "county board", "county"), ("comisionada del condado",)),
    (("State House", "State Senate", "state legislature", "Senate"), ("Senado estatal", "legislatura", "Senado")),
    (("Library board", "special_district", "park district", "Judge"), ("distrito especial", "jueza")),
    _UNDECIDED,
    _UNDECIDED,
)
"""What people write where a form asks which office they think of, in English and in Spanish; a kind of office each."""
_PLAIN = str.maketrans("áéíóúñëé'", "aeiounee.")


def make_people(size: Size, seed: int = SEED) -> list[Someone]:
    """Everybody of the story, by group and within a group by the time of signing up."""
    rng = Random(seed)
    taken: set[str] = {MARIA}
    first = datetime.combine(FIRST_DAY, time(12), UTC)
    made: list[Someone] = []

    def some(group: str, moments: Iterable[datetime]) -> None:
        made.extend(_someone(rng, taken, group, at) for at in sorted(moments))

    long_ago, lately = datetime(2024, 3, 1, tzinfo=UTC), datetime(2026, 11, 3, 14, tzinfo=UTC)
    some("older", (_between(rng, long_ago, first - timedelta(days=12)) for _ in range(size.older)))
    some("early", (_between(rng, lately, first) for _ in range(size.early - 1)))
    made.append(_maria())
    some("civics", (_between(rng, lately, first) for _ in range(size.civics)))
    some("tabling", (_between(rng, first - timedelta(days=30), first) for _ in range(size.tabling)))
    some("form", (_form_moment(rng, size) for _ in range(size.form)))
    evening = datetime.combine(size.burst_on, time(22), UTC)
    some("burst", (evening + timedelta(seconds=rng.randrange(80 * 60)) for _ in range(size.burst)))
    return made


def _maria() -> Someone:
    return Someone(
        "Maria", "Alvarez", MARIA, "WI", "Milwaukee", "53204", "en", 1991, "School Board", True,
        datetime(2026, 11, 10, 1, 40, tzinfo=UTC), "early",
    )  # fmt: skip


def _someone(rng: Random, taken: set[str], group: str, at: datetime) -> Someone:
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    domain = rng.choice(_DOMAINS)
    plain = f"{given}.{family}".lower().translate(_PLAIN).replace("..", ".")
    stem = rng.choice((plain, plain, plain.replace(".", "_"), plain[0] + plain[plain.index(".") + 1 :]))
    address = f"{stem}@{domain}"
    while address in taken:
        address = f"{stem}{rng.randrange(2, 100)}@{domain}"
    taken.add(address)
    _, state, county, digits = rng.choices(_PLACES, _WEIGHTS)[0]
    dead = rng.random() < {"older": 0.03, "form": 0.01, "burst": 0.01}.get(group, 0.005)
    number = rng.randrange(1, 99)
    lang = "es" if rng.random() < 0.08 else "en"
    return Someone(
        given, family, address, state, county, f"{digits}{number:02}", lang, rng.randrange(1962, 2008),
        _in_words(rng.choice(_OFFICES)[lang == "es"], address), rng.random() < 0.55, at, group,
        dead=dead, slow=not dead and rng.random() < 0.015, scanned=not dead and rng.random() < 0.03,
    )  # fmt: skip


def _in_words(spellings: Sequence[str], address: str) -> str:
    """One of several spellings, always the same for one person, and drawn from nothing that anything else hangs on."""
    return Random(f"{SEED} office {address}").choice(spellings)


_WEIGHTS = tuple(place[0] for place in _PLACES)


def _between(rng: Random, start: datetime, end: datetime) -> datetime:
    return start + timedelta(seconds=rng.randrange(int((end - start).total_seconds())))


def _form_moment(rng: Random, size: Size) -> datetime:
    """A weekday shape, and every other Tuesday a small rush with a tail of two days."""
    while True:
        day = rng.randrange(size.days - 1)
        on = FIRST_DAY + timedelta(days=day)
        weight = (1.0, 1.3, 1.0, 0.9, 0.7, 0.5, 0.8)[on.weekday()]
        rush = day % 14
        weight *= 5.0 if rush == 7 else 2.5 if rush == 8 else 1.5 if rush == 9 else 1.0
        if rng.random() * 6.5 < weight:
            # Between the export of this day and that of the next.
            return datetime.combine(on, DAILY_EXPORT, UTC) + timedelta(seconds=rng.randrange(60, 86_000))


# -- files -------------------------------------------------------------------------------------------------------------


def make_files(people: Sequence[Someone], size: Size, seed: int = SEED) -> list[SignupFile]:
    """The files of the story, in the order in which they come in."""
    rng = Random(seed + 1)
    groups: dict[str, list[Someone]] = {}
    for one in people:
        groups.setdefault(one.group, []).append(one)
    start = datetime.combine(FIRST_DAY, time(12), UTC)
    again = rng.sample(groups["older"], max(4, size.older // 20))
    pledged = [one for one in groups["older"] + groups["early"] if one.address == MARIA or rng.random() < 0.36]
    files = [
        _voter_file(rng, groups["older"], start),
        _action_network(rng, groups["early"] + again, start + timedelta(minutes=5)),
        _pledges(rng, groups["civics"] + pledged, start + timedelta(minutes=10)),
        _tabling(rng, groups["tabling"], start + timedelta(minutes=15)),
    ]
    known = groups["older"] + groups["early"]
    files += _exports(rng, groups["form"], known, size)
    evening = datetime.combine(size.burst_on, time(23, 30), UTC)
    burst = [*groups["burst"], *rng.sample(known, size.burst // 12)]
    files.append(_form_file(rng, f"form-{size.burst_on}-evening.csv", evening, burst, [], number=90_000))
    return sorted(files, key=lambda one: one.at)


def returning_file(people: Sequence[Someone], at: datetime) -> SignupFile:
    """A partner's list with people on it who have left us since: they must stay left."""
    rows = [[one.address.upper(), one.given, one.family, one.state] for one in people]
    text = _csv(["Email", "First", "Last", "State"], rows)
    return SignupFile(f"partner-{at:%Y-%m-%d}.csv", at, "partner list", "rfs", CONSENT["rfs"], text)


def _voter_file(rng: Random, people: Sequence[Someone], at: datetime) -> SignupFile:
    """Tab-separated, as voter-file systems export it, whatever the name says."""
    rows = [
        [str(100_000 + number), one.given, one.family, _spelt(rng, one.address), one.state, one.county, one.zip,
         f"{one.signed_up_at:%Y-%m-%d}", str(one.birth_year)]
        for number, one in enumerate(people)
    ]  # fmt: skip
    for number, spoilt in ((7, "abuse@example.org"), (31, "see notes")):
        bad = list(rows[number])
        bad[0], bad[3] = f"{bad[0]}0", spoilt
        rows.insert(number, bad)
    header = ["VANID", "FirstName", "LastName", "Email", "State", "CountyName", "Zip5", "DateCreated", "DOB"]
    mapping = {"external_id": "VANID"}
    return SignupFile("voter-file.txt", at, "voter file", "rfs", CONSENT["rfs"], _csv(header, rows, "\t"), mapping)


def _action_network(rng: Random, people: Sequence[Someone], at: datetime) -> SignupFile:
    header = [
        "uuid", "first_name", "last_name", "email", "can2_state_abbreviated", "county", "zip_code", "language",
        "birth_year", "office_interest", "endorsable", "can2_user_tags", "created_date",
    ]  # fmt: skip
    rows = []
    for one in people:
        again = one.group == "older"
        signed_up = at - timedelta(hours=rng.randrange(20, 140)) if again else one.signed_up_at
        rows.append(
            [f"{rng.getrandbits(64):016x}", one.given.upper() if again else one.given, one.family,
             _spelt(rng, one.address, often=again), one.state, one.county, one.zip, one.lang, str(one.birth_year),
             one.office, "yes" if one.endorsable else "no", "post-election", f"{signed_up:%Y-%m-%dT%H:%M:%SZ}"]
        )  # fmt: skip
    two = "lee@example.org; kim@example.org"
    for broken in ("", "jordan at example.org", "postmaster@example.com", two, "@example.org"):
        rows.insert(rng.randrange(len(rows)), [f"{rng.getrandbits(64):016x}", "Jordan", "", broken, *[""] * 9])
    mapping = {"state": "can2_state_abbreviated", "tags": "can2_user_tags"}
    return SignupFile("action-network.csv", at, "action network", "rfs", CONSENT["rfs"], _csv(header, rows), mapping)


def _pledges(rng: Random, people: Sequence[Someone], at: datetime) -> SignupFile:
    """Semicolons and whole names, from a spreadsheet of the sister organisation."""
    rows = []
    for number, one in enumerate(people):
        signed_up = one.signed_up_at if one.group == "civics" else at - timedelta(hours=rng.randrange(1, 600))
        rows.append(
            [f"P{number:05}", f"{one.given} {one.family}", _spelt(rng, one.address, often=True), one.state, one.zip,
             one.lang, f"{signed_up:%Y-%m-%d %H:%M}"]
        )  # fmt: skip
    rows.insert(len(rows) // 2, ["P99998", "Robin", "robin@localhost", "", "", "", ""])
    header = ["Submission ID", "Full name", "E-mail", "State", "ZIP", "Language", "Submission Date"]
    text = _csv(header, rows, ";")
    return SignupFile("run-for-office-day.csv", at, "run for office day", "rfs_civics", CONSENT["rfs_civics"], text)


def _tabling(rng: Random, people: Sequence[Someone], at: datetime) -> SignupFile:
    """A paper sheet that somebody typed in: no consent was asked for, so nobody is mailed."""
    rows = [[one.given, _spelt(rng, one.address), one.zip] for one in people]
    rows.append(["Sasha", "sasha@example,org", ""])
    text = _csv(["First name", "E-mail address", "Zip"], rows)
    return SignupFile("library-table.csv", at, "library table", "rfs", None, text)


def _exports(rng: Random, people: Sequence[Someone], known: Sequence[Someone], size: Size) -> list[SignupFile]:
    """One a day: the sign-ups since yesterday, a few old acquaintances, and the last rows of the day before again."""
    by_day: dict[int, list[Someone]] = {}
    opening = datetime.combine(FIRST_DAY, DAILY_EXPORT, UTC)
    for one in people:
        by_day.setdefault((one.signed_up_at - opening) // timedelta(days=1) + 1, []).append(one)
    files: list[SignupFile] = []
    before: list[list[str]] = []
    for day in range(1, size.days):
        news = by_day.get(day, [])
        at = opening + timedelta(days=day)
        people_today = [*news, *rng.sample(known, rng.randrange(0, 1 + len(news) // 6))]
        broken = ["sam@@example.org"] if day % 11 == 4 else []
        file = _form_file(
            rng, f"form-{at:%Y-%m-%d}.csv", at, people_today, before[-2:], number=day * 1_000, broken=broken
        )
        before = list(csv.reader(io.StringIO(file.text)))[1 + len(broken) :]
        if people_today or broken:
            files.append(file)
    return files


def _form_file(
    rng: Random, name: str, at: datetime, people: Sequence[Someone], again: Sequence[Sequence[str]], *, number: int,
    broken: Sequence[str] = (),
) -> SignupFile:  # fmt: skip
    header = ["Submission ID", "Submission Date", "First Name", "Last Name", "Email", "State", "County", "ZIP Code",
              "Language", "Office interest", "Endorsable"]  # fmt: skip
    rows = [list(row) for row in again]
    for place, one in enumerate(people):
        fresh = one.group in ("form", "burst")
        signed_up = one.signed_up_at if fresh else at - timedelta(minutes=rng.randrange(5, 80))
        rows.append(
            [str(number + place), f"{signed_up:%Y-%m-%dT%H:%M:%SZ}", one.given, one.family,
             _spelt(rng, one.address, often=not fresh), one.state, one.county, one.zip, one.lang, one.office,
             "yes" if one.endorsable else "no"]
        )  # fmt: skip
    rows[:0] = [[str(number + 999), "", "Sam", "", address, "", "", "", "", "", ""] for address in broken]
    return SignupFile(name, at, "sign-up form", "rfs", CONSENT["rfs"], _csv(header, rows))


def _spelt(rng: Random, address: str, *, often: bool = False) -> str:
    """An address as people write it: in capitals, with blanks, or as it is."""
    roll = rng.random() * (0.35 if often else 1.0)
    local, _, domain = address.partition("@")
    if roll < 0.04:
        return address.upper()
    if roll < 0.08:
        return f" {address} "
    if roll < 0.14:
        return f"{local.title()}@{domain.title()}"
    return address


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
