"""The steps of a campaign file -> `core.campaign.Step`."""

from collections.abc import Mapping

from rfs_mail.campaign_files import keys
from rfs_mail.campaign_files.desk import ID, Desk, Trail, as_id, shown
from rfs_mail.campaign_files.nodes import Items, Node, Scalar, Table
from rfs_mail.core.campaign import (
    Action,
    Arm,
    Branch,
    Change,
    ChangeStep,
    Mail,
    Step,
    StepSend,
    Suppress,
    TaskSpec,
    TaskStep,
    Wait,
)
from rfs_mail.core.duration import parse_duration
from rfs_mail.core.send_hours import parse_days, parse_send_hours

MAX_NESTING = 8


class StepReader:
    """
    Reads the steps of one file.

    What cannot be understood is left out and told; `whole` turns false, so that nobody takes the rest for the campaign.
    """

    def __init__(self, desk: Desk, file: str, folder: str) -> None:
        self.desk = desk
        self.file = file
        self.folder = folder
        self.seen: dict[str, Scalar] = {}
        self.whole = True

    def steps(self, node: Node, what: str, depth: int = 0) -> tuple[Step, ...]:
        """A list of steps, arms included."""
        rows = self.desk.rows(node, what)
        self.whole = self.whole and isinstance(node, Items)
        if depth > MAX_NESTING:
            self.desk.error(node, "too-deep", f"{what}: more than {MAX_NESTING} branches inside one another.")
            return ()
        found = (self.step(row, f"{what}[{number}]", depth) for number, row in enumerate(rows, 1))
        steps = tuple(step for step in found if step is not None)
        self.whole = self.whole and len(steps) == len(rows)
        return steps

    def step(self, node: Node, what: str, depth: int) -> Step | None:
        """One step; None where it has no usable key or action."""
        table = self.desk.table(node, what, keys.ALL_STEP)
        if table is None:
            return None
        key = self.key(table, what)
        what = f"steps.{key}" if key else what
        path: Trail = (self.file, "steps", key or f"line {table.place[0]}")
        self.desk.note(path, table.get("key") or table)
        at = self.optional_time(table, "at", what, path)
        when = self.desk.expression(table.get("when"), f"{what}.when", (*path, "when"))
        was = self.desk.identifier(table.get("was"), f"{what}.was")
        action = self.action(table, what, path, depth)
        if key is None or action is None:
            return None
        return Step(key=key, at=at, when=when, was=was, action=action)

    def key(self, table: Table, what: str) -> str | None:
        node = table.get("key")
        if node is None:
            example = table.get("mail")
            name = as_id(example.value) if isinstance(example, Scalar) else ""
            self.desk.error(
                table,
                "no-key",
                f"{what}: the step has no key, and people in flight are found by it. Write: key: {name or 'a_name'}",
            )
            return None
        key = self.desk.identifier(node, f"{what}.key")
        if key is None or not isinstance(node, Scalar):
            return None
        if key in self.seen:
            line = self.seen[key].place[0]
            self.desk.error(
                node, "duplicate-step", f'{what}.key: "{key}" is on line {line} already; keys are unique in a campaign.'
            )
            return None
        self.seen[key] = node
        return key

    # -- actions -------------------------------------------------------------------------------------------------------

    def action(self, table: Table, what: str, path: Trail, depth: int) -> Action | None:
        """What the step does: exactly one thing."""
        there = [key.value for key, _value in table.entries if key.value in keys.ACTIONS]
        kinds = list(dict.fromkeys("change" if key in keys.CHANGE else key for key in there))
        if len(kinds) != 1:
            listed = ", ".join(keys.ACTIONS)
            if not kinds:
                message = f"{what}: the step does nothing. Give it one of: {listed}"
            else:
                names = " and ".join(f'"{key}"' for key in there)
                message = f"{what}: a step does exactly one thing, and this one has {names}. Make two steps of it."
            self.desk.error(table, "one-action", message)
            return None
        self.strangers(table, what, kinds[0])
        match kinds[0]:
            case "mail":
                return self.mail(table, what, path)
            case "wait_for":
                return self.wait(table, what, path)
            case "branch":
                return self.branch(table, what, path, depth)
            case "task":
                task = self.task(table.get("task"), f"{what}.task", (*path, "task"))
                return TaskStep(task=task) if task else None
            case _:
                change = self.change(table, what, path)
                return ChangeStep(change=change) if change else None

    def strangers(self, table: Table, what: str, kind: str) -> None:
        """Keys that exist, for another kind of step."""
        own: Mapping[str, Mapping[str, str]] = {
            "mail": keys.MAIL,
            "wait_for": keys.WAIT,
            "branch": keys.BRANCH,
            "task": keys.TASK_ACTION,
            "change": keys.CHANGE,
        }
        homes = {"mail": "mail", "wait_for": "wait_for", "branch": "branch", "task": "task", "change": "change"}
        for key, _value in table.entries:
            if key.value in keys.STEP or key.value in own[kind] or key.value not in keys.ALL_STEP:
                continue
            home = next(name for name, known in own.items() if key.value in known)
            self.desk.error(
                key,
                "stray-key",
                f'{what}: {shown(key.value)} belongs to a step with "{homes[home]}"; this one has "{homes[kind]}".',
            )

    def mail(self, table: Table, what: str, path: Trail) -> Mail | None:
        template = self.template(table.get("mail"), f"{what}.mail", (*path, "mail"))
        subject = self.desk.identifier(table.get("subject"), f"{what}.subject")
        self.note_if(table, "subject", path)
        variants = self.variants(table.get("variants"), f"{what}.variants", (*path, "variants"))
        if subject and variants:
            self.desk.error(
                table.key("subject") or table,
                "two-subjects",
                f"{what}: subject and variants both choose the subject. Keep one.",
            )
        answers = self.answers(table.get("answers"), f"{what}.answers", (*path, "answers"))
        priority = self.desk.word(table.get("priority"), f"{what}.priority", ("deadline", "normal"))
        cap = self.desk.word(table.get("cap"), f"{what}.cap", ("count", "exempt"))
        not_after = self.optional_time(table, "not_after", what, path)
        send = self.send(table.get("send"), f"{what}.send")
        backfill = self.desk.yes_no(table.get("backfill"), f"{what}.backfill")
        for key in ("priority", "cap", "backfill"):
            self.note_if(table, key, path)
        if template is None:
            return None
        return Mail(
            template=template,
            subject=subject,
            variants=variants,
            answers=answers,
            priority="deadline" if priority == "deadline" else "normal",
            not_after=not_after,
            cap="exempt" if cap == "exempt" else "count",
            send=send,
            backfill=backfill,
        )

    def template(self, node: Node | None, what: str, path: Trail) -> str | None:
        """`name` of the campaign's folder, or `folder/name`; never a path that leaves the templates."""
        scalar = self.desk.text(node, what)
        if scalar is None:
            return None
        self.desk.note(path, scalar)
        folder, slash, name = scalar.value.rpartition("/")
        if not slash:
            folder = self.folder
        if ID.fullmatch(name) and (not slash or ID.fullmatch(folder)):
            return f"{folder}/{name}" if folder else None
        bare = name.split(".")[0]
        hint = as_id(bare) if not slash else f"{as_id(folder)}/{as_id(bare)}"
        advice = f" Write: mail: {hint}" if hint.strip("/") else ""
        self.desk.error(
            scalar,
            "bad-template",
            f"{what}: {shown(scalar.value)} is no template; name it without ending or folder.{advice}",
        )
        return None

    def variants(self, node: Node | None, what: str, path: Trail) -> dict[str, int]:
        if node is None:
            return {}
        self.desk.note(path, node)
        table = self.desk.table(node, what, None)
        found: dict[str, int] = {}
        for key, value in table.entries if table else ():
            name = self.desk.identifier(key, what)
            weight = self.desk.text(value, f"{what}.{key.value}")
            if name is None or weight is None:
                continue
            self.desk.note((*path, name), key)
            if weight.value.isascii() and weight.value.isdigit() and len(weight.value) <= 6:
                found[name] = int(weight.value)
            else:
                self.desk.error(weight, "bad-weight", f"{what}.{name}: a weight is a whole number such as 1.")
        if found and not any(found.values()):
            self.desk.error(node, "bad-weight", f"{what}: every weight is 0, so nobody would get the mail.")
        return found

    def answers(self, node: Node | None, what: str, path: Trail) -> dict[str, Change]:
        if node is None:
            return {}
        self.desk.note(path, node)
        table = self.desk.table(node, what, None)
        found: dict[str, Change] = {}
        for key, value in table.entries if table else ():
            name = self.desk.identifier(key, what)
            self.desk.note((*path, key.value), key)
            inner = self.desk.table(value, f"{what}.{key.value}", keys.ANSWER)
            change = self.change(inner, f"{what}.{key.value}", (*path, key.value)) if inner else None
            if name is not None and change is not None:
                found[name] = change
        return found

    def wait(self, table: Table, what: str, path: Trail) -> Wait | None:
        wait_for = self.desk.expression(table.get("wait_for"), f"{what}.wait_for", (*path, "wait_for"))
        if table.get("until") is None:
            self.desk.error(
                table.key("wait_for") or table,
                "no-until",
                f"{what}: wait_for without until could wait for ever. Write: until: +3d",
            )
            return None
        until = self.optional_time(table, "until", what, path)
        return Wait(wait_for=wait_for, until=until) if wait_for and until else None

    def branch(self, table: Table, what: str, path: Trail, depth: int) -> Branch | None:
        node = table.get("branch")
        if node is None:
            return None
        rows = self.desk.rows(node, f"{what}.branch")
        if isinstance(node, Items) and not rows:
            self.desk.error(node, "no-arms", f"{what}.branch: there is no arm. Write: - when: ... and steps: [...]")
        arms: list[Arm] = []
        for number, row in enumerate(rows):
            label = f"{what}.branch[{number + 1}]"
            inner = self.desk.table(row, label, keys.ARM)
            arm_path: Trail = (*path, "branch", number)
            self.desk.note(arm_path, row)
            if inner is None:
                self.whole = False
                continue
            for needed in keys.ARM:
                if inner.get(needed) is None:
                    self.desk.error(inner, "missing-key", f'{label}: "{needed}" is missing.')
            when = self.desk.expression(inner.get("when"), f"{label}.when", (*arm_path, "when"))
            below = inner.get("steps")
            steps = self.steps(below, f"{label}.steps", depth + 1) if below is not None else ()
            if when is None:
                self.whole = False
            else:
                arms.append(Arm(when=when, steps=steps))
        otherwise = table.get("else")
        last = self.steps(otherwise, f"{what}.else", depth + 1) if otherwise is not None else ()
        return Branch(arms=tuple(arms), otherwise=last) if arms else None

    # -- changes and tasks ---------------------------------------------------------------------------------------------

    def change(self, table: Table, what: str, path: Trail) -> Change | None:
        """A change to the person; None where nothing of it can be understood."""
        fields = self.fields(table.get("set"), f"{what}.set", (*path, "set"))
        tag = self.tags(table.get("tag"), f"{what}.tag", (*path, "tag"))
        untag = self.tags(table.get("untag"), f"{what}.untag", (*path, "untag"))
        scope = self.desk.word(table.get("unsubscribe"), f"{what}.unsubscribe", ("topic", "entity"))
        suppress = self.suppress(table.get("suppress"), f"{what}.suppress", (*path, "suppress"))
        task = self.task(table.get("task"), f"{what}.task", (*path, "task"))
        if not (fields or tag or untag or scope or suppress or task):
            if not table.entries:
                self.desk.error(
                    table, "no-value", f"{what}: nothing happens here. Give it one of: {', '.join(keys.ANSWER)}"
                )
            return None
        return Change(
            set=fields,
            tag=tag,
            untag=untag,
            unsubscribe="topic" if scope == "topic" else "entity" if scope == "entity" else None,
            suppress=suppress,
            task=task,
        )

    def fields(self, node: Node | None, what: str, path: Trail) -> dict[str, str]:
        if node is None:
            return {}
        table = self.desk.table(node, what, None)
        if table is None:
            return {}
        if not table.entries:
            self.desk.error(node, "no-value", f"{what}: nothing is set. Write: set: {{stage: not_now}}")
        found: dict[str, str] = {}
        for key, value in table.entries:
            scalar = self.desk.text(value, f"{what}.{key.value}")
            if scalar is not None:
                self.desk.note((*path, key.value), key)
                self.desk.note((*path, key.value, "value"), scalar)
                found[key.value] = scalar.value
        return found

    def tags(self, node: Node | None, what: str, path: Trail) -> tuple[str, ...]:
        if node is None:
            return ()
        self.desk.note(path, node)
        found = (self.desk.identifier(item, what) for item in self.desk.one_or_more(node))
        return tuple(tag for tag in found if tag is not None)

    def suppress(self, node: Node | None, what: str, path: Trail) -> Suppress | None:
        if node is None:
            return None
        self.desk.note(path, node)
        if isinstance(node, Scalar) and not node.missing:
            self.desk.error(
                node, "shape", f"{what}: say how far it goes. Write: suppress: {{scope: entity, because: inactive}}"
            )
            return None
        table = self.desk.table(node, what, keys.SUPPRESS)
        if table is None:
            return None
        scope = self.desk.word(table.get("scope"), f"{what}.scope", ("entity", "all"))
        because = self.desk.word(table.get("because"), f"{what}.because", ("inactive",))
        for needed in ("scope", "because"):
            if table.get(needed) is None:
                self.desk.error(
                    table,
                    "missing-key",
                    f'{what}: "{needed}" is missing. Write: suppress: {{scope: entity, because: inactive}}',
                )
        spared: list[str] = []
        excepted = table.get("except")
        for number, item in enumerate(self.desk.one_or_more(excepted) if excepted is not None else ()):
            topic = self.desk.identifier(item, f"{what}.except")
            if topic is not None:
                self.desk.note((*path, "except", number), item)
                spared.append(topic)
        if scope is None or because is None:
            return None
        return Suppress(scope="all" if scope == "all" else "entity", except_=tuple(spared), because="inactive")

    def task(self, node: Node | None, what: str, path: Trail) -> TaskSpec | None:
        if node is None:
            return None
        self.desk.note(path, node)
        if isinstance(node, Scalar) and not node.missing:
            self.desk.titles.setdefault(path, node)
            return TaskSpec(title=node.value)
        table = self.desk.table(node, what, keys.TASK)
        if table is None:
            return None
        title = self.desk.text(table.get("title"), f"{what}.title")
        if table.get("title") is None:
            self.desk.error(table, "missing-key", f'{what}: "title" is missing: what should staff do?')
        assignee = self.desk.text(table.get("for"), f"{what}.for")
        due = self.desk.parsed(table.get("due"), f"{what}.due", parse_duration)
        if title is None:
            return None
        self.desk.note((*path, "title"), title)
        self.desk.titles.setdefault((*path, "title"), title)
        return TaskSpec(title=title.value, for_=assignee.value if assignee else "", due=due)

    # -- small things --------------------------------------------------------------------------------------------------

    def send(self, node: Node | None, what: str) -> StepSend | None:
        if node is None:
            return None
        table = self.desk.table(node, what, keys.STEP_SEND)
        if table is None:
            return None
        return StepSend(
            days=self.desk.parsed(table.get("days"), f"{what}.days", parse_days),
            hours=self.desk.parsed(table.get("hours"), f"{what}.hours", parse_send_hours),
        )

    def optional_time(self, table: Table, key: str, what: str, path: Trail) -> str | None:
        node = table.get(key)
        return None if node is None else self.desk.time(node, f"{what}.{key}", (*path, key))

    def note_if(self, table: Table, key: str, path: Trail) -> None:
        node = table.get(key)
        if node is not None:
            self.desk.note((*path, key), node)
