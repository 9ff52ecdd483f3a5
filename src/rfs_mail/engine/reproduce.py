"""
The message of a delivery again, to the last byte; or else which part differs, and why.

A delivery keeps what its message was made from (`made`, written at the mark): the values the template read, the
language, the Date, the address, the base of its links, the key they are sealed with. Revisions are never changed. So
an edit of a campaign, a layout, an entity or a person changes nothing here, nor does another base_url. What does is a
newer program, a secret that was thrown away, another signing key. Where `keep_messages` kept the bytes themselves,
they are the truth, and what is built again is compared with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from zlib import decompress
from zlib import error as NotCompressed

from rfs_mail.core.reproduction import SIGNATURE, Difference, compare, differences, only_signature
from rfs_mail.core.tokens import Keys, fingerprint
from rfs_mail.engine.compose import Composer, Material, build_id
from rfs_mail.engine.deliveries import get
from rfs_mail.errors import NotFoundError, RfsMailError
from rfs_mail.store import log, releases
from rfs_mail.store.database import Store
from rfs_mail.store.types import AnyRow


@dataclass(frozen=True, slots=True)
class Again:
    """
    The message of a delivery again.

    `exact`: these are the bytes that went out, to the last one. `kept`: they were stored, and not built anew.
    `differs` is how what was built anew differs from what went out, empty where it does not; `because` what is known to
    have changed since, the likely cause first.
    """

    message: bytes
    exact: bool
    kept: bool = False
    differs: tuple[Difference, ...] = ()
    because: tuple[str, ...] = ()


def message(store: Store, composer: Composer, delivery_id: int) -> Again:
    """
    The bytes of a delivery that went out, or is about to.

    Raises NotFoundError where it never came so far, or where neither the bytes nor the way to build them are left.
    """
    with store.read() as connection:
        row = get(connection, delivery_id)
        if row.made is None:
            raise NotFoundError(f"Delivery {delivery_id} is {row.state}: no message was made of it yet.")
        kept = log.kept_message(connection, delivery_id)
        try:
            revision = releases.load_revision(connection, row.revision_id)
        except NotFoundError:
            if kept is None:
                raise
            revision = None
    sent = _unpacked(kept) if kept is not None else None
    is_truth = sent is not None and _is(sent, row.made)
    built: bytes | None = None
    trouble = ""
    if revision is not None:
        try:
            built = _build(composer, row, Material(revision.definition, revision.mails, revision.content))
        except RfsMailError as error:
            trouble = str(error)
    if sent is not None and is_truth:
        if built is None:
            return Again(sent, True, True, (Difference("message"),), (f"it cannot be built again: {trouble}",))
        found = compare(sent, built)
        return Again(sent, True, True, found, tuple(_causes(composer, row, found)) if found else ())
    if built is None:
        raise NotFoundError(f"The message of delivery {delivery_id} cannot be built again: {trouble}")
    damaged = ("the stored copy is damaged, so this was built again",) if kept is not None else ()
    if _is(built, row.made):
        return Again(built, True, because=damaged)
    found = differences(row.made.get("sketch") or "", built) if row.made.get("sketch") else ()
    if not found:
        found = (Difference("message", sent=f"{row.made.get('size')} bytes", built=f"{len(built)} bytes"),)
    return Again(built, False, differs=found, because=(*damaged, *_causes(composer, row, found)))


def _is(message_bytes: bytes, made: Mapping[str, Any]) -> bool:
    return sha256(message_bytes).hexdigest() == made.get("sha256")


def _unpacked(kept: bytes) -> bytes | None:
    """The stored bytes; None where they are damaged."""
    try:
        return decompress(kept)
    except NotCompressed:
        return None


def _build(composer: Composer, row: AnyRow, material: Material) -> bytes:
    """Build it as it was built then: on the base of its links, with the secret of its seals."""
    made: Mapping[str, Any] = row.made
    mailbox = made.get("to") or row.mailbox
    if mailbox is None:
        raise NotFoundError("its person was erased, and her address with her")
    number, secret = made["key"], _secret_of(made, composer.keys)
    then = replace(
        composer,
        base_url=made.get("base", composer.base_url),
        keys=Keys(number, ((number, secret),)) if secret is not None else composer.keys,
    )
    if secret is None:  # its seals cannot be made any more: the current secret stands in, and the links tell
        made = {**made, "key": composer.keys.current}
    return then.rebuild(row, mailbox, made, material)


def _secret_of(made: Mapping[str, Any], keys: Keys) -> bytes | None:
    """The secret a delivery was sealed with, whatever its number is now; None where it is not here any more."""
    mark = made.get("key_mark")
    if mark is None:
        return keys.secret(made["key"])
    return next((secret for _, secret in keys.secrets if fingerprint(secret) == mark), None)


# -- why ---------------------------------------------------------------------------------------------------------------


def _causes(composer: Composer, row: AnyRow, found: Sequence[Difference]) -> Iterator[str]:
    """What is known to have changed since, as sentences; the first is the likely one."""
    made: Mapping[str, Any] = row.made
    if any(one.part == f"header {SIGNATURE}" for one in found):
        yield from _signing(composer, made, found)
    if only_signature(found):
        return
    known = False
    if _secret_of(made, composer.keys) is None:
        known = True
        yield (
            f"the secret its links were sealed with (number {made['key']}) is not among secret_key and "
            "old_secret_keys any more, or is another one now; its links are dead. Put it back into old_secret_keys"
        )
    if made.get("build") != build_id():
        known = True
        yield f"it was written by build {made.get('build')}, this is build {build_id()}"
    if "base" not in made and any("List-Unsubscribe" in one.part for one in found):
        known = True
        yield f"base_url may have been another one; it is {composer.base_url} now"
    if "to" not in made and any(one.part == "header To" for one in found):
        known = True
        yield f"the person's address may have been another one; it is {row.mailbox} now"
    if not known:
        yield "nothing that is kept with it has changed: the row was edited by hand, or this is a bug. Report it"


def _signing(composer: Composer, made: Mapping[str, Any], found: Sequence[Difference]) -> Iterator[str]:
    """Why the signature is another one."""
    said = made.get("dkim")
    if said is not None and composer.signers.again(said) is None:
        names = " and ".join(f"{selector}._domainkey.{said['domain']}" for selector in said["selectors"])
        yield f"it was signed by {names}, whose key is not in the settings any more"
    elif only_signature(found):
        yield "the mail is the same and the signature is not: the DKIM key was replaced under the same selector"
