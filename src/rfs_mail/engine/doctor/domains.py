"""Each domain that sends, as receivers see it: SPF, DKIM, DMARC, alignment, and who takes what comes back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rfs_mail.core.campaign import Entity, ReleaseContent
from rfs_mail.core.checkup import Check, fail, ok, skipped, warn
from rfs_mail.core.dkim import Signer, Signers, compare
from rfs_mail.core.domain_records import (
    MOST_LOOKUPS,
    Question,
    RecordType,
    Takes,
    UnknownAnswerError,
    aligned,
    mail_hosts,
    policy_of,
    spf,
    tree_walk,
)
from rfs_mail.core.headers import ascii_address
from rfs_mail.errors import MessageError
from rfs_mail.network import Resolver

KNOWN_GOOD = Question(RecordType.NS, "example.com")
"""Asked first: a name that always exists (RFC 2606). Where it cannot be found, nothing can."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The domains of one entity: of From, of the return path, and of where answers go."""

    entity: str
    author: str
    bounce: str
    reply: str


async def reach(resolver: Resolver) -> str:
    """ "" where the DNS can be asked; else a sentence that says why not."""
    answer = await resolver.ask(KNOWN_GOOD)
    if answer.known and answer.values:
        return ""
    return f"the DNS cannot be reached from here ({answer.why or f'it does not even know {KNOWN_GOOD.name}'})"


async def check(
    content: ReleaseContent | None, resolver: Resolver, dns: "asyncio.Task[str]", signers: Signers, *, sends: bool
) -> Sequence[Check]:
    """The lines of all domains, each domain once."""
    if content is None:
        return [skipped("domains", "nothing was applied yet, so no entity speaks", "rfs-mail apply")]
    if not sends:
        return [skipped("domains", "no relay is set, so nobody receives mail from them")]
    away = await dns
    names: list[tuple[str, Callable[[], Awaitable[Check]]]] = []
    wrong: list[Check] = []
    for entity in content.entities.values():
        try:
            sender = _sender(entity)
        except MessageError as error:
            wrong.append(fail(f"entity {entity.id}", str(error).rstrip("."), "Mend it in the entities file."))
            continue
        keys = signers.of(entity.from_address)
        names += _checks_of(sender, keys, resolver)
        if not keys:
            wrong.append(_unsigned(sender, is_meant=not signers.by_domain))
    todo = dict(names)
    wrong = list(dict.fromkeys(wrong))
    if away:
        return [*wrong, *(skipped(name, away) for name in todo)]
    return [*wrong, *await asyncio.gather(*(_known(name, look) for name, look in todo.items()))]


def _sender(entity: Entity) -> Sender:
    author = ascii_address(entity.from_address, "From")
    reply = ascii_address(entity.reply_to, "Reply-To") if entity.reply_to else author
    return Sender(
        entity.id, author.rpartition("@")[2].lower(), entity.bounce_domain.lower(), reply.rpartition("@")[2].lower()
    )


def _checks_of(
    sender: Sender, keys: Sequence[Signer], resolver: Resolver
) -> list[tuple[str, Callable[[], Awaitable[Check]]]]:
    """(name, look) of every check of an entity; two entities of one domain have the same."""
    author, bounce, reply = sender.author, sender.bounce, sender.reply
    return [
        (f"SPF {bounce}", lambda: _spf(resolver, bounce, is_return_path=True)),
        *([(f"SPF {author}", lambda: _spf(resolver, author, is_return_path=False))] if author != bounce else []),
        *((f"DKIM {key.record_name}", partial(_dkim, resolver, key)) for key in keys),
        (f"DMARC {author}", lambda: _dmarc(resolver, author)),
        (f"alignment {author}", lambda: _alignment(resolver, author, bounce)),
        *([(f"DKIM alignment {author}", lambda: _dkim_alignment(resolver, author, keys[0].domain))] if keys else []),
        (f"MX {bounce}", lambda: _mx(resolver, bounce, "bounces")),
        *([(f"MX {reply}", lambda: _mx(resolver, reply, "answers"))] if reply != bounce else []),
    ]


async def _known(name: str, look: Callable[[], Awaitable[Check]]) -> Check:
    try:
        return await look()
    except UnknownAnswerError as error:
        return skipped(name, str(error), "Try again; if it stays so, the domain's name servers are in trouble.")


async def _spf(resolver: Resolver, domain: str, *, is_return_path: bool) -> Check:
    name = f"SPF {domain}"
    found = await resolver.walk(spf(domain))
    if found.record is None and not found.error:
        remedy = f"Publish TXT at {domain}: v=spf1 include:YOUR-RELAY -all"
        if is_return_path:
            return fail(name, "there is no record, and receivers want one for the return path", remedy)
        return warn(name, "there is no record; others can send as it more easily", f"{remedy}, or v=spf1 -all")
    if found.error:
        return fail(name, found.error, "Mend it; receivers count it as no record at all. `include` less.")
    said = f"{found.lookups} of {MOST_LOOKUPS} look-ups: {(found.record or '')[:120]}"
    if found.notes:
        return warn(name, f"{said}; {'; '.join(found.notes)}", "End it in -all or ~all, and name the relays.")
    return ok(name, said)


async def _dmarc(resolver: Resolver, domain: str) -> Check:
    name = f"DMARC {domain}"
    record = policy_of(await resolver.walk(tree_walk(domain)))
    if record is None:
        return fail(
            name, "there is no record, and Google, Yahoo and Microsoft refuse bulk mail without",
            f"Publish TXT at _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:dmarc@{domain}",
        )  # fmt: skip
    at = "" if record.domain == domain else f" at _dmarc.{record.domain}"
    said = f"p={record.policy}{at}"
    if record.notes:
        return warn(name, f"{said}; {'; '.join(record.notes)}", f"Mend the record at _dmarc.{record.domain}.")
    if "rua" not in record.tags:
        return warn(name, f"{said}, without rua=", "Add rua=mailto:..., or nobody tells you who sends as you.")
    return ok(name, said)


async def _alignment(resolver: Resolver, author: str, bounce: str) -> Check:
    name = f"alignment {author}"
    one, two = await asyncio.gather(resolver.walk(tree_walk(author)), resolver.walk(tree_walk(bounce)))
    record = policy_of(one)
    strict = record is not None and record.is_strict("aspf")
    if aligned(one, two, strict=strict):
        return ok(name, f"the return path {bounce} is {'the same' if author == bounce else f'under {two.domain}, too'}")
    why = "aspf=s asks for the very same domain" if strict else f"one is of {one.domain}, the other of {two.domain}"
    return fail(
        name, f"SPF of the return path {bounce} does not count for {author}: {why}",
        f"Take a bounce_domain under {one.domain}, or publish a DMARC record there.",
    )  # fmt: skip


def _unsigned(sender: Sender, *, is_meant: bool) -> Check:
    """An entity whose mail no key signs: as meant where no key is set, and worth a word where one is."""
    name = f"DKIM {sender.author}"
    if is_meant:
        return skipped(name, "mail is not signed here", "See that your relay signs it, or set [dkim].")
    return warn(name, "no key signs for it, so its mail goes out unsigned", "Add a [[dkim]] for it, or let its relay.")


async def _dkim(resolver: Resolver, key: Signer) -> Check:
    name = f"DKIM {key.record_name}"
    answer = await resolver.ask(Question(RecordType.TXT, key.record_name))
    if not answer.known:
        raise UnknownAnswerError(f"TXT of {key.record_name} could not be looked up: {answer.why}")
    found = compare(key, answer.values)
    if not found.fits:
        said, _, remedy = found.said.partition(". ")
        return fail(name, said.rstrip("."), remedy or "Publish what `rfs-mail dkim show` says.")
    if found.said:
        return warn(name, found.said.rstrip("."), "Until then it is as if unsigned.")
    return ok(name, f"the published key is ours ({key.algorithm.key_type}, {key.bits} bits)")


async def _dkim_alignment(resolver: Resolver, author: str, signing: str) -> Check:
    """Does the signature of `d=` count for From? (RFC 9989: relaxed, unless the record says adkim=s.)"""
    name = f"DKIM alignment {author}"
    one, two = await asyncio.gather(resolver.walk(tree_walk(author)), resolver.walk(tree_walk(signing)))
    record = policy_of(one)
    strict = record is not None and record.is_strict("adkim")
    if aligned(one, two, strict=strict):
        return ok(name, f"d={signing}")
    why = "adkim=s asks for the very same domain" if strict else f"one is of {one.domain}, the other of {two.domain}"
    return fail(name, f"a signature of d={signing} does not count for {author}: {why}", f"Set a [[dkim]] for {author}.")


async def _mx(resolver: Resolver, domain: str, what: str) -> Check:
    name = f"MX {domain}"
    found = await resolver.walk(mail_hosts(domain))
    match found.takes:
        case Takes.MX:
            return ok(name, ", ".join(found.hosts[:3]))
        case Takes.IMPLICIT:
            return warn(name, f"no MX; {what} go to the address of the name itself", f"Publish an MX at {domain}.")
        case Takes.REFUSED:
            return fail(name, f"a null MX says that it takes no mail, and {what} are sent there", "Publish an MX.")
        case Takes.NOWHERE:
            return fail(name, f"no MX and no address: {what} are lost", f"Publish an MX at {domain}.")
