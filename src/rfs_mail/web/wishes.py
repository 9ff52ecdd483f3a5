"""
"Wrong state or office? Fix it": where she lives and what she wants to run for, by the link of her mail.

What the page shows is what we know, and what it says when it is saved is what we know then. Interests that the boxes
cannot say (a division, a federal office, another year) have a box of their own and stay unless she unticks them; what
an import brought since the page was shown stays as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import HTMLResponse, Response

from rfs_mail.core.digest import digest
from rfs_mail.core.interest import Interest
from rfs_mail.core.person import Person
from rfs_mail.core.person_fields import MAX_NAME, Refused, read_text, read_value
from rfs_mail.core.tokens import Kind
from rfs_mail.core.zones import STATES, state_of_zip
from rfs_mail.engine import feedback
from rfs_mail.engine.live import look
from rfs_mail.engine.recipients import Recipient, find_recipient
from rfs_mail.engine.wishes import Wishes, change_wishes, paths_in, wishes_of
from rfs_mail.errors import NotFoundError
from rfs_mail.web.forms import LARGE, read_form
from rfs_mail.web.notices import notice
from rfs_mail.web.offices import LEVELS, say_closings, say_interest, say_known, say_level, say_path, say_state
from rfs_mail.web.site import Site, Tongue, masked, site_of

router = APIRouter(include_in_schema=False)

LONGEST_NOTE: Final = 500
"""Characters of "Something else is wrong?"."""

FURTHEST_ELECTION: Final = 10
"""Years from now."""

MOST_KEPT: Final = 40
"""Interests with a box of their own. A form has a hundred fields at most; what is not shown stays."""


@dataclass(slots=True)
class _Form:
    """What the fields say, and what is wrong with them."""

    state: str = ""
    zip: str = ""
    county: str = ""
    levels: tuple[str, ...] = ()
    run_state: str = ""
    """Empty: where she lives."""
    run_state_was: str = ""
    """As it is stored. A state that is where she lives is said to be that, so that it moves with her."""
    year: str = ""
    path: str = ""
    incumbent: bool = False
    shown: frozenset[str] = frozenset()
    """Marks of the interests that the page showed."""
    ticked: frozenset[str] = frozenset()
    """Marks of those with a box of their own that she keeps."""
    note: str = ""
    place: dict[str, object] = field(default_factory=dict)
    """Fields of the person as they are stored."""
    dropped: str = ""
    """The state that her ZIP code or county was in, where she moved away and left it as it was."""
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> tuple[Interest, ...]:
        """The interests that the boxes say."""
        year = int(self.year) if self.year else None
        state = self.run_state or (self.state if self.state == self.run_state_was else "")
        return tuple(Interest(level, state, "", year, self.path, self.incumbent) for level in self.levels)

    def keeps(self, interest: Interest) -> bool:
        """Does it stay as it is? What the page did not show does."""
        return _mark(interest) not in self.shown or _mark(interest) in self.ticked

    def wanted(self, stored: Iterable[Interest]) -> tuple[Interest, ...]:
        """All that she wants now, of what is stored now."""
        return tuple(dict.fromkeys((*filter(self.keeps, stored), *self.chosen)))


@router.api_route("/p/{token}/office", methods=["GET", "HEAD"])
async def show(request: Request) -> Response:
    """The page as stored. Changes nothing."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.PREFERENCES, request)
    person = recipient.person
    if person is None:
        return notice(request, "gone", status=410, recipient=recipient)
    wishes = await site.look(wishes_of, person, now=site.app.now())
    return await _page(request, site, delivery_id, recipient, person, wishes, _stored(person, wishes))


@router.post("/p/{token}/office")
async def save(request: Request) -> Response:
    """Save everything, or nothing where a field cannot be read; then say what is known."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.PREFERENCES, request)
    fields = await read_form(request, LARGE)
    person, tongue, now = recipient.person, site.tongue(request, recipient), site.app.now()
    if person is None:
        return notice(request, "gone", status=410, recipient=recipient)
    if "shown" not in fields:
        return notice(request, "refused", status=400, recipient=recipient)
    wishes = await site.look(wishes_of, person, now=now)
    form = _read(person, wishes, fields, tongue, now)
    paths = await site.look(paths_in, form.run_state or form.state, now=now)
    form.path = _path(person, wishes, form, fields.get("path"), paths)
    if form.wrong:
        return await _page(request, site, delivery_id, recipient, person, wishes, form, status=422)
    try:
        await site.write(_save, delivery_id, form, now)
    except NotFoundError:
        return notice(request, "gone", status=410, recipient=recipient)
    _, recipient = await site.recipient(Kind.PREFERENCES, request)
    if recipient.person is None:
        return notice(request, "gone", status=410, recipient=recipient)
    wishes = await site.look(wishes_of, recipient.person, now=now)
    return _saved(request, site, delivery_id, recipient, recipient.person, wishes, form, paths)


def _save(connection: Connection, delivery_id: int, form: _Form, now: datetime) -> None:
    recipient = find_recipient(connection, delivery_id)
    if recipient is None or recipient.person is None:
        raise NotFoundError("Nobody is left to want anything.")
    person, campaign_id = recipient.person, recipient.addressee.campaign_id
    stored = wishes_of(connection, person, now=now).interests
    change_wishes(
        connection, look(connection), person.id, interests=form.wanted(stored), fields=form.place,
        source="preferences page", now=now, herself=True, delivery_id=delivery_id, campaign_id=campaign_id,
    )  # fmt: skip
    if form.note:
        feedback.ask_to_correct(connection, person, form.note, now, campaign_id)


def office_link(preferences: str) -> str:
    """The address of this page beside that of the preferences."""
    return preferences.replace("?", "/office?", 1)


# -- the fields --------------------------------------------------------------------------------------------------------


def _mark(interest: Interest) -> str:
    """A short name of an interest, the same as long as it says the same."""
    return digest(asdict(interest))[:12]


def _together(interests: tuple[Interest, ...]) -> tuple[Interest, ...]:
    """The interests that the boxes show: of levels that are offered, without a division, alike in all the rest."""
    simple = [one for one in interests if one.office_level in LEVELS and not one.division]
    return tuple(one for one in simple if _rest(one) == _rest(simple[0]))


def _apart(interests: tuple[Interest, ...]) -> tuple[Interest, ...]:
    """The interests that have a box of their own."""
    together = _together(interests)
    return tuple(one for one in interests if one not in together)[:MOST_KEPT]


def _rest(interest: Interest) -> tuple[object, ...]:
    return interest.state, interest.election_year, interest.party_path, interest.incumbent


def _stored(person: Person, wishes: Wishes) -> _Form:
    together = _together(wishes.interests)
    first = together[0] if together else Interest()
    return _Form(
        state=person.state or "",
        zip=person.zip or "",
        county=person.county or "",
        levels=tuple(one.office_level for one in together),
        run_state=first.state if first.state != person.state else "",
        run_state_was=first.state,
        year=str(first.election_year or ""),
        path=first.party_path,
        incumbent=first.incumbent,
    )


def _read(person: Person, wishes: Wishes, fields: Mapping[str, str], tongue: Tongue, now: datetime) -> _Form:
    """What was sent, as far as the page offers it; notes in `wrong` what cannot be."""
    before = _stored(person, wishes)
    given = {name: " ".join(value.split()) for name, value in fields.items()}
    form = _Form(
        state=given.get("state", before.state),
        zip=given.get("zip", before.zip),
        county=given.get("county", before.county),
        levels=tuple(level for level in LEVELS if given.get(f"level.{level}") == "yes"),
        run_state=given.get("run_state", ""),
        run_state_was=given.get("run_state_was", ""),
        year=given.get("year", ""),
        incumbent=given.get("incumbent") == "yes",
        shown=frozenset(given["shown"].split()),
        ticked=frozenset(mark for mark in given["shown"].split() if given.get(f"keep.{mark}") == "yes"),
        note=given.get("note", ""),
    )
    _read_place(form, person, given, tongue, now)
    if form.run_state and form.run_state not in STATES:
        form.wrong["run_state"], form.run_state = tongue.say("state_unread"), ""
    if form.levels and not form.state and not form.run_state and "state" not in form.wrong:
        form.wrong["run_state"] = tongue.say("run_state_missing")
    years = {str(year) for year in range(now.year, now.year + FURTHEST_ELECTION + 1)} | {before.year, ""}
    if form.year not in years:
        form.wrong["year"] = tongue.say("year_unread", first=now.year, last=now.year + FURTHEST_ELECTION)
    if len(form.note) > LONGEST_NOTE:
        form.wrong["note"] = tongue.say("correction_long", count=LONGEST_NOTE)
    elif form.note:
        note = read_text(form.note)
        form.note = "" if isinstance(note, Refused) else " ".join(note.split())
    return form


def _read_place(form: _Form, person: Person, given: Mapping[str, str], tongue: Tongue, now: datetime) -> None:
    if not form.state and not given.get("state_was"):
        form.state = person.state or ""  # nobody knew it when the page was shown, and she did not choose
    if form.state not in STATES and (form.state or person.state):
        form.wrong["state"], form.state = tongue.say("state_unread"), person.state or ""
        return
    moved_from = given.get("state_was", "")
    moved = moved_from in STATES and moved_from != form.state
    if moved and form.zip and form.zip == given.get("zip_was") and state_of_zip(form.zip) != form.state:
        form.zip, form.dropped = "", moved_from
    if moved and form.county and form.county == given.get("county_was"):
        form.county, form.dropped = "", moved_from
    place: dict[str, object] = {"state": form.state or None, "zip": form.zip or None, "county": form.county or None}
    if form.zip and form.zip != person.zip:
        code = read_value("zip", form.zip, {}, now=now)
        lies_in = state_of_zip(str(code)) if not isinstance(code, Refused) else None
        if lies_in is None:
            form.wrong["zip"] = tongue.say("zip_unread")
        elif form.state and lies_in != form.state:
            form.wrong["zip"] = tongue.say("zip_elsewhere", state=say_state(lies_in))
        else:  # as an import does, the state is told by the code where nothing else tells it
            form.state = lies_in
        place |= {"zip": code, "state": form.state or None}
    if form.county and form.county != person.county:
        county = read_value("county", form.county, {}, now=now)
        if isinstance(county, Refused):
            form.wrong["county"] = tongue.say("county_unread", count=MAX_NAME)
        place["county"] = county
    form.place = place


def _path(person: Person, wishes: Wishes, form: _Form, given: str | None, paths: tuple[str, ...]) -> str:
    """The way she chose, where her state knows it; what was stored, where she was not asked and did not move."""
    before = _stored(person, wishes)
    same_state = (before.run_state or before.state) == (form.run_state or form.state)
    if given is not None and given in paths:
        return given
    return before.path if same_state and given in (None, before.path) else ""


# -- pages -------------------------------------------------------------------------------------------------------------


async def _page(
    request: Request, site: Site, delivery_id: int, recipient: Recipient, person: Person, wishes: Wishes, form: _Form,
    *, status: int = 200,
) -> HTMLResponse:  # fmt: skip
    tongue = site.tongue(request, recipient)
    paths = await site.look(paths_in, form.run_state or form.state, now=site.app.now())
    offered = list(dict.fromkeys((*paths, *([form.path] if form.path else ()))))
    labels = {
        "state": tongue.say("home_state"), "zip": tongue.say("home_zip"), "county": tongue.say("home_county"),
        "run_state": tongue.say("run_state"), "year": tongue.say("run_year"), "note": tongue.say("office_note"),
    }  # fmt: skip
    wrong = next(iter(form.wrong), "")
    apart, together = _apart(wishes.interests), _together(wishes.interests)
    if form.shown:  # what came since is not what her boxes speak of
        together = tuple(one for one in together if _mark(one) in form.shown)
    return site.page(
        "wishes.html",
        tongue,
        tongue.say("not_saved", field=labels[wrong]) if wrong else tongue.say("office_title"),
        entity=recipient.entity,
        posted=bool(wrong),
        status=status,
        address=masked(recipient),
        values=form,
        wrong=form.wrong,
        was={
            "state": person.state or "", "zip": person.zip or "", "county": person.county or "",
            "run_state": _stored(person, wishes).run_state_was,
        },
        states=STATES,
        levels=[(level, say_level(level, tongue)) for level in LEVELS],
        kept=[(_mark(one), say_interest(one, person.state, tongue), form.keeps(one)) for one in apart],
        shown=" ".join(_mark(one) for one in (*together, *apart)),
        paths=[(path, say_path(path, tongue)) for path in offered] if len(paths) > 1 or form.path else [],
        longest=LONGEST_NOTE,
        longest_county=MAX_NAME,
        back=site.link(request, Kind.PREFERENCES, delivery_id, tongue),
    )  # fmt: skip


def _saved(
    request: Request, site: Site, delivery_id: int, recipient: Recipient, person: Person, wishes: Wishes, form: _Form,
    paths: tuple[str, ...],
) -> HTMLResponse:  # fmt: skip
    """What is known now, and the next filing windows that it means."""
    tongue = site.tongue(request, recipient)
    lines = say_known(person, wishes.interests, tongue)
    if form.dropped:
        lines.append(tongue.say("place_dropped", state=say_state(form.dropped)))
    closings, sources = say_closings(wishes, tongue)
    lines += closings
    if form.levels and not form.path and len(paths) > 1:
        lines.append(tongue.say("paths_differ", state=say_state(form.run_state or form.state)))
    if form.note:
        lines.append(tongue.say("saved_correction"))
    lines.append(tongue.say("saved_text"))
    back = site.link(request, Kind.PREFERENCES, delivery_id, tongue)
    return site.page(
        "notice.html", tongue, tongue.say("saved_title"), entity=recipient.entity, posted=True, lines=lines,
        links=[*sources, (office_link(back), tongue.say("office_again")), (back, tongue.say("choose"))],
    )  # fmt: skip
