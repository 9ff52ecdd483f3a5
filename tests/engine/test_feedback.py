"""What comes back, and what it stops at once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from rfs_mail.engine import feedback
from rfs_mail.engine.feedback import Left, Preferences
from rfs_mail.errors import NotFoundError
from rfs_mail.store import events, outbox, people, suppressions, tasks
from rfs_mail.store.database import Store
from rfs_mail.store.outbox import Addressee
from rfs_mail.store.tables import TABLES
from tests.recipients import add_campaign, add_delivery, add_person, state_of, touched

TEXT = "Yes, Run for Something may e-mail me again."


def addressee_of(connection: Connection, delivery_id: int) -> Addressee:
    """The addressee of a delivery that is there."""
    found = outbox.addressee(connection, delivery_id)
    assert found is not None
    return found


def reasons(connection: Connection, person_id: int) -> set[tuple[str, str, str]]:
    """(scope, what, reason) of the live suppressions of a person."""
    person = people.get_person(connection, person_id)
    assert person is not None
    return {(row.scope, row.scope_id, row.reason) for row in suppressions.live(connection, person.address_hash)}


def names(connection: Connection, person_id: int) -> list[str]:
    """The names of the events of a person, in order."""
    rows = connection.execute(TABLES["event"].select().order_by(TABLES["event"].c.id))
    return [row.name for row in rows if row.person_id == person_id]


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_leaving_the_entity_stops_all_its_waiting_mail_and_no_other(store: Store, now: datetime) -> None:
    """Queued and claimed mail of the entity is skipped with the fact; mail at the wire and mail of others is not."""
    with store.begin() as connection:
        who = add_person(connection, now=now, entities=("rfs", "rfs_civics"))
        other = add_person(connection, "joe@example.org", now=now)
        sent = add_delivery(connection, who, now=now, state="sent", step_key="a")
        claimed = add_delivery(connection, who, now=now, state="claimed", step_key="b")
        queued = add_delivery(connection, who, now=now, topic="deadlines", step_key="c")
        civics = add_delivery(connection, who, now=now, entity_id="rfs_civics", topic="run_for_office_day")
        others = add_delivery(connection, other, now=now)
        left = feedback.unsubscribe(
            connection, addressee_of(connection, sent), scope="entity", source="one-click", now=now
        )
        states = [state_of(connection, one) for one in (sent, claimed, queued, civics, others)]
        live = reasons(connection, who)
        (consent,) = [row for row in suppressions.consents_of(connection, who) if row.entity_id == "rfs"]
        happened, asked = names(connection, who), touched(connection)
    assert left == Left(already=False, skipped=2)
    assert states == [
        ("sent", None), ("skipped", "unsubscribed"), ("skipped", "unsubscribed"), ("queued", None), ("queued", None),
    ]  # fmt: skip
    assert live == {("entity", "rfs", "unsubscribed")}
    assert consent.withdrawn_at == now
    assert happened == ["unsubscribed"]
    assert who in asked


def test_mail_at_the_wire_is_already_leaving(store: Store, now: datetime) -> None:
    """A delivery that was marked before the fact keeps its state: only its verdict moves it."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        sending = add_delivery(connection, who, now=now, state="sending")
        left = feedback.unsubscribe(
            connection, addressee_of(connection, sending), scope="entity", source="one-click", now=now
        )
        assert (left.skipped, state_of(connection, sending)) == (0, ("sending", None))


def test_leaving_again_changes_nothing(store: Store, now: datetime) -> None:
    """The same button, pressed again and again, is one fact."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        one = addressee_of(connection, add_delivery(connection, who, now=now, state="sent"))
        first = feedback.unsubscribe(connection, one, scope="entity", source="one-click", now=now)
        again = feedback.unsubscribe(connection, one, scope="entity", source="page", now=now + timedelta(days=1))
        live, happened = reasons(connection, who), names(connection, who)
    assert (first.already, again.already) == (False, True)
    assert (len(live), happened) == (1, ["unsubscribed"])


def test_leaving_a_topic_keeps_the_rest(store: Store, now: datetime) -> None:
    """Only mail on that topic is skipped, nothing is suppressed, the entity's consent stands."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        sent = add_delivery(connection, who, now=now, state="sent", step_key="a")
        running = add_delivery(connection, who, now=now, step_key="b")
        deadlines = add_delivery(connection, who, now=now, topic="deadlines", step_key="c")
        left = feedback.unsubscribe(connection, addressee_of(connection, sent), scope="topic", source="page", now=now)
        states = [state_of(connection, one)[0] for one in (running, deadlines)]
        assert (left, states) == (Left(already=False, skipped=1), ["skipped", "queued"])
        assert reasons(connection, who) == set()
        assert suppressions.topics_left(connection, who) == {"running"}
        assert [row.withdrawn_at for row in suppressions.consents_of(connection, who)] == [None]


def test_leaving_the_partners_too(store: Store, now: datetime) -> None:
    """`partners` leaves the entity and those that are named with it."""
    with store.begin() as connection:
        who = add_person(connection, now=now, entities=("rfs", "rfs_civics", "friend"))
        sent = add_delivery(connection, who, now=now, state="sent", step_key="a")
        waiting = [
            add_delivery(connection, who, now=now, entity_id=entity, step_key="b")
            for entity in ("rfs_civics", "friend")
        ]
        left = feedback.unsubscribe(
            connection, addressee_of(connection, sent), scope="partners", source="page", now=now,
            partners=("rfs_civics",),
        )  # fmt: skip
        assert (left.skipped, [state_of(connection, one)[0] for one in waiting]) == (1, ["skipped", "queued"])
        assert reasons(connection, who) == {
            ("entity", "rfs", "unsubscribed"), ("entity", "rfs_civics", "unsubscribed"),
        }  # fmt: skip


def test_the_enrollment_goes_on_without_the_mail(store: Store, now: datetime) -> None:
    """What was skipped is settled: the enrollment that waited for it is woken."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        queued = add_delivery(connection, who, now=now)
        feedback.unsubscribe(connection, addressee_of(connection, queued), scope="entity", source="page", now=now)
        row = connection.execute(TABLES["enrollment"].select()).one()
    assert (row.waiting_on, row.due_at) == (None, now)


def test_an_unsubscribe_proves_that_the_mail_arrived(store: Store, now: datetime) -> None:
    """Nobody knew whether it had gone out; its own token says so."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        uncertain = add_delivery(connection, who, now=now, state="uncertain")
        feedback.unsubscribe(connection, addressee_of(connection, uncertain), scope="topic", source="page", now=now)
        assert state_of(connection, uncertain) == ("sent", None)


def test_a_pruned_delivery_still_unsubscribes_whom_it_was_for(store: Store, now: datetime) -> None:
    """The stub leads to the person, or, where she was erased, to the hash of her address."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        waiting = add_delivery(connection, who, now=now)
        erased = b"an address hash!"
        connection.execute(
            TABLES["delivery_stub"].insert(),
            [
                {"delivery_id": 900, "person_id": who, "entity_id": "rfs", "topic": "running", "campaign_id": "welcome",
                 "address_hash": b"0" * 16},
                {"delivery_id": 901, "person_id": None, "entity_id": "rfs", "topic": "running",
                 "campaign_id": "welcome", "address_hash": erased},
                {"delivery_id": 902, "person_id": who + 1000, "entity_id": "rfs_civics", "topic": "running",
                 "campaign_id": "welcome", "address_hash": erased},
            ],
        )  # fmt: skip
        for number in (900, 901, 902):
            left = feedback.unsubscribe(
                connection, addressee_of(connection, number), scope="entity", source="one-click", now=now
            )
            assert not left.already
        assert state_of(connection, waiting)[0] == "skipped"
        assert reasons(connection, who) == {("entity", "rfs", "unsubscribed")}
        assert {row.scope_id for row in suppressions.live(connection, erased)} == {"rfs", "rfs_civics"}


# -- coming back -------------------------------------------------------------------------------------------------------


def test_an_opt_in_lifts_the_unsubscribe_and_keeps_the_words(store: Store, now: datetime) -> None:
    """A fresh yes is consent with its text, and mail may go again."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        one = addressee_of(connection, add_delivery(connection, who, now=now, state="sent"))
        feedback.unsubscribe(connection, one, scope="entity", source="page", now=now)
        mailable = feedback.opt_in(connection, who, ("rfs",), text=TEXT, source="undo", now=now)
        (consent,) = suppressions.consents_of(connection, who)
        (event,) = events.of_person(connection, who, "opted_in")
        live = reasons(connection, who)
    assert (mailable, live) == (True, set())
    assert (consent.text, consent.withdrawn_at) == (TEXT, None)
    assert (event.ref, event.active, event.detail) == ("rfs", True, {"text": TEXT, "source": "undo"})


def test_nothing_lifts_a_complaint(store: Store, now: datetime) -> None:
    """After a complaint even her own opt-in sends no mail, and says so."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        one = addressee_of(connection, add_delivery(connection, who, now=now, state="sent"))
        feedback.complain(connection, one, source="arf", now=now)
        feedback.unsubscribe(connection, one, scope="entity", source="page", now=now)
        mailable = feedback.opt_in(connection, who, ("rfs",), text=TEXT, source="undo", now=now)
        assert (mailable, reasons(connection, who)) == (False, {("all", "", "complained")})


def test_staff_who_stopped_somebody_have_the_last_word(store: Store, now: datetime) -> None:
    """An opt-in does not undo `people stop`."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        waiting = add_delivery(connection, who, now=now)
        stopped = feedback.stop_person(connection, who, because="asked on the phone", now=now)
        mailable = feedback.opt_in(connection, who, ("rfs",), text=TEXT, source="undo", now=now)
        assert (stopped, state_of(connection, waiting), mailable) == (1, ("skipped", "stopped"), False)


def test_a_topic_is_taken_back_in_words(store: Store, now: datetime) -> None:
    """Undoing a topic's leaving is recorded once, with its text."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        suppressions.leave_topic(connection, who, "running", now=now)
        back = [feedback.rejoin_topic(connection, who, "running", text=TEXT, source="undo", now=now) for _ in range(2)]
        (event,) = events.of_person(connection, who, "opted_in")
    assert (back, event.ref, event.value, event.detail["text"]) == ([True, False], "running", "topic", TEXT)


# -- preferences -------------------------------------------------------------------------------------------------------


def test_preferences_are_one_save(store: Store, now: datetime) -> None:
    """Topics, pause, language, stage and correction in one; what is queued on a left topic is skipped."""
    until = now + timedelta(days=60)
    with store.begin() as connection:
        who = add_person(connection, now=now, stage="exploring", given_name="María", lang="en")
        suppressions.leave_topic(connection, who, "deadlines", now=now)
        running = add_delivery(connection, who, now=now, step_key="b")
        wanted = Preferences(
            {"running": False, "deadlines": True}, paused_until=until, language="es", not_this_time=True,
            correction="I moved to Ohio",
        )  # fmt: skip
        for _ in range(2):
            feedback.save_preferences(connection, who, wanted, source="preferences", now=now, campaign_id="welcome")
        person = people.get_person(connection, who)
        left = suppressions.topics_left(connection, who)
        open_tasks = [(row.title, row.person_id, row.campaign_id) for row in tasks.search(connection)]
        skipped = state_of(connection, running)
        active = [row.active for row in events.of_person(connection, who, "preferences")]
    assert person is not None
    assert (person.stage, person.lang, person.paused_until) == ("not_now", "es", until)
    assert left == {"running"}
    assert skipped == ("skipped", "topic_left")
    assert open_tasks == [("Check the state and office of María, who writes: I moved to Ohio", who, "welcome")]
    assert active == [True, True]


def test_preferences_leave_what_they_do_not_name(store: Store, now: datetime) -> None:
    """A topic that was not on the page, the language and the stage stay; an empty pause ends the pause."""
    with store.begin() as connection:
        who = add_person(connection, now=now, lang="es", stage="filed", paused_until=now + timedelta(days=3))
        suppressions.leave_topic(connection, who, "deadlines", now=now)
        feedback.save_preferences(connection, who, Preferences({"running": True}), source="preferences", now=now)
        person = people.get_person(connection, who)
        left = suppressions.topics_left(connection, who)
    assert person is not None
    assert (person.lang, person.stage, person.paused_until, left) == ("es", "filed", None, {"deadlines"})


@pytest.mark.parametrize("stage", ["exploring", "filed", "signed_up"])
def test_not_this_time_is_taken_back_to_where_she_stood(store: Store, now: datetime, stage: str) -> None:
    """Unticking it brings the stage back that she had before."""
    with store.begin() as connection:
        who = add_person(connection, now=now, stage=stage)
        for not_now, day in ((True, 0), (True, 1), (False, 2), (False, 3)):
            feedback.save_preferences(
                connection, who, Preferences({}, not_this_time=not_now), source="page", now=now + timedelta(days=day)
            )
        person = people.get_person(connection, who)
        moves = [row.value for row in events.of_person(connection, who, "stage")]
    assert person is not None
    assert (person.stage, moves) == (stage, [stage, "not_now"])


def test_not_this_time_by_another_way_is_taken_back_too(store: Store, now: datetime) -> None:
    """Where an answer or staff had set it, the last stage on record before it counts; without any, signed_up."""
    with store.begin() as connection:
        known = add_person(connection, now=now, stage="signed_up")
        people.set_stage(connection, known, "committed", now=now)
        people.set_stage(connection, known, "not_now", now=now + timedelta(hours=1))
        unknown = add_person(connection, "joe@example.org", now=now, stage="not_now")
        for who in (known, unknown):
            feedback.save_preferences(
                connection, who, Preferences({}, not_this_time=False), source="page", now=now + timedelta(days=1)
            )
        stages = [person.stage for who in (known, unknown) if (person := people.get_person(connection, who))]
    assert stages == ["committed", "signed_up"]


def test_preferences_may_opt_in_again(store: Store, now: datetime) -> None:
    """An entity that was left is taken back with the words that stood beside the box."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        one = addressee_of(connection, add_delivery(connection, who, now=now, state="sent"))
        feedback.unsubscribe(connection, one, scope="entity", source="page", now=now)
        feedback.save_preferences(connection, who, Preferences({}, again={"rfs": TEXT}), source="page", now=now)
        assert reasons(connection, who) == set()
        assert [row.text for row in suppressions.consents_of(connection, who)] == [TEXT]


def test_preferences_of_nobody_are_refused(store: Store, now: datetime) -> None:
    """Somebody who was erased has no preferences to save."""
    with store.begin() as connection, pytest.raises(NotFoundError):
        feedback.save_preferences(connection, 4711, Preferences({}), source="page", now=now)


def test_any_act_of_hers_ends_a_suppression_for_silence(store: Store, now: datetime) -> None:
    """`inactive` is lifted by a saved page, and by nothing that a machine did."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        person = people.get_person(connection, who)
        assert person is not None
        suppressions.suppress(
            connection, person.address_hash, scope="entity", scope_id="rfs", reason="inactive", source="x", now=now
        )
        one = addressee_of(connection, add_delivery(connection, who, now=now, state="sent"))
        feedback.click(connection, one, link=0, kind="machine", now=now, detail={})
        still = reasons(connection, who)
        feedback.click(connection, one, link=0, kind="human", now=now, detail={})
        gone = reasons(connection, who)
    assert (still, gone) == ({("entity", "rfs", "inactive")}, set())


# -- clicks, bounces, complaints ---------------------------------------------------------------------------------------


def test_clicks_are_kept_raw_and_only_a_persons_counts_as_activity(store: Store, now: datetime) -> None:
    """Each click is an event with its kind; it proves that the mail arrived."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        uncertain = add_delivery(connection, who, now=now, state="uncertain")
        one = addressee_of(connection, uncertain)
        for kind in ("machine", "unknown", "human", "human"):
            feedback.click(connection, one, link=2, kind=kind, now=now, detail={"rule": "1"})
        rows = events.of_delivery(connection, uncertain, "clicked")
        assert state_of(connection, uncertain)[0] == "sent"
    assert [(row.value, row.active, row.ref, row.detail) for row in rows] == [
        (kind, kind == "human", "hello", {"link": 2, "rule": "1"}) for kind in ("machine", "unknown", "human", "human")
    ]


@pytest.mark.parametrize("kind", ["inactive", "quota", "policy", "content", "transient"])
def test_only_a_hard_bounce_suppresses(store: Store, now: datetime, kind: str) -> None:
    """A full mailbox, or our own reputation, is no reason never to write to somebody again."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        sent = add_delivery(connection, who, now=now, state="sent", step_key="a")
        queued = add_delivery(connection, who, now=now, step_key="b")
        new = feedback.bounce(
            connection, addressee_of(connection, sent), kind=kind, code=452, reply="4.2.2 mailbox full", now=now
        )
        assert (new, reasons(connection, who)) == (True, set())
        assert [state_of(connection, one)[0] for one in (sent, queued)] == ["bounced", "queued"]


def test_a_hard_bounce_stops_everything_once(store: Store, now: datetime) -> None:
    """The address is suppressed everywhere; the same bounce reported twice is one fact."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        sent = add_delivery(connection, who, now=now, state="sent", step_key="a")
        queued = add_delivery(connection, who, now=now, entity_id="rfs_civics", step_key="b")
        new = [
            feedback.bounce(
                connection, addressee_of(connection, sent), kind="hard", code=550, reply="5.1.1 no such user", now=now
            )
            for _ in range(2)
        ]
        assert (new, reasons(connection, who)) == ([True, False], {("all", "", "hard_bounce")})
        assert [state_of(connection, one) for one in (sent, queued)] == [
            ("bounced", "bounced"), ("skipped", "suppressed"),
        ]  # fmt: skip
        assert names(connection, who) == ["bounced"]


def test_a_complaint_stops_everything_for_good_once(store: Store, now: datetime) -> None:
    """Reported as spam: suppressed everywhere, one fact, also for a mail that had bounced."""
    with store.begin() as connection:
        who = add_person(connection, now=now)
        sent = add_delivery(connection, who, now=now, state="bounced", step_key="a")
        queued = add_delivery(connection, who, now=now, entity_id="rfs_civics", step_key="b")
        new = [feedback.complain(connection, addressee_of(connection, sent), source="arf", now=now) for _ in range(2)]
        assert (new, reasons(connection, who)) == ([True, False], {("all", "", "complained")})
        assert [state_of(connection, one)[0] for one in (sent, queued)] == ["complained", "skipped"]


def test_a_complaint_of_somebody_erased_still_suppresses_the_address(store: Store, now: datetime) -> None:
    """The hash that is left of her is enough never to write there again."""
    erased = Addressee(7, None, "rfs", "running", "welcome", b"an address hash!")
    with store.begin() as connection:
        new = [feedback.complain(connection, erased, source="arf", now=now) for _ in range(2)]
        assert new == [True, False]
        assert [row.reason for row in suppressions.live(connection, b"an address hash!")] == ["complained"]


def test_a_rolled_back_fact_skips_nothing(store: Store, now: datetime) -> None:
    """Fact and skipping are one transaction: both or neither."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        who = add_person(connection, now=now)
        queued = add_delivery(connection, who, now=now)

    def leave_and_break() -> None:
        with store.begin() as connection:
            feedback.unsubscribe(connection, addressee_of(connection, queued), scope="entity", source="page", now=now)
            raise RuntimeError("the machine went down")

    with pytest.raises(RuntimeError):
        leave_and_break()
    with store.read() as connection:
        assert (state_of(connection, queued), reasons(connection, who)) == (("queued", None), set())
