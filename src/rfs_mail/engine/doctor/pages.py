"""base_url and the one-click of RFC 8058, pressed with a token that belongs to nobody."""

import asyncio
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from rfs_mail.core.checkup import Check, Outcome, fail, ok, skipped, warn
from rfs_mail.core.tokens import PROBE, Keys, Kind, make
from rfs_mail.network import NoAddressError, NoReplyError, Reply, post_form
from rfs_mail.settings import Settings
from rfs_mail.transport.relay import is_loopback

FORM = "List-Unsubscribe=One-Click"
"""What mail programs send (RFC 8058 section 3.1)."""

PAGE_SECONDS = 10.0


async def check(settings: Settings, keys: Keys | None, *, sends: bool, trust: ssl.SSLContext | None) -> Sequence[Check]:
    """The lines of base_url. `sends`: mail leaves, so that others must be able to reach it."""
    base = settings.base_url.rstrip("/")
    parts = urlsplit(base)
    host = parts.hostname or ""
    here = is_loopback(host)
    first: Check
    if parts.scheme == "https" and not here:
        first = ok("base_url", base)
    elif here and not sends:
        first = ok("base_url", f"{base}, of this machine alone, which will do until a relay is set")
    elif here:
        first = fail("base_url", f"{base} is this machine's alone, and every link of a mail leads there",
                     "Set it to the https address under which others reach the pages.")  # fmt: skip
    else:
        first = fail("base_url", f"{base} is not https, and mail programs show no button then",
                     "Set it to an https address.")  # fmt: skip
    if keys is None:
        return [first, skipped("one-click", "there is no secret_key to seal a link with")]
    return [first, await _one_click(base, keys, trust, is_needed=sends)]


async def _one_click(base: str, keys: Keys, trust: ssl.SSLContext | None, *, is_needed: bool) -> Check:
    name = "one-click"
    url = f"{base}/u/{make(Kind.UNSUBSCRIBE, PROBE, keys)}"
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            reply = await post_form(url, FORM, trust=trust)
    except (NoReplyError, NoAddressError, TimeoutError) as error:
        said = str(error).rstrip(".") or f"{base} does not answer within {PAGE_SECONDS:.0f} seconds"
        start = "Start `rfs-mail run` or `rfs-mail web`; then see what stands before it."
        return fail(name, said, start) if is_needed else skipped(name, said, start)
    judged = _judged(name, base, reply)
    if judged.outcome is Outcome.FAIL and not is_needed:  # another program may stand at this port until we do
        return skipped(name, judged.found, judged.remedy)
    return judged


def _judged(name: str, base: str, reply: Reply) -> Check:
    if 300 <= reply.status < 400:
        where = reply.headers.get("location", "")[:80]
        return fail(
            name, f"a POST is redirected ({reply.status} to {where}), and mail programs do not follow (RFC 8058)",
            "Set base_url to where it ends, or let the proxy pass /u/ on.",
        )  # fmt: skip
    if reply.status == 404:
        return fail(
            name, f"{base} answers 404: other pages, or pages with another secret_key",
            "Give the web process this secret_key, and let the proxy pass /u/ on.",
        )  # fmt: skip
    if reply.status != 200 or b"You are unsubscribed" not in reply.body:
        return fail(name, f"{base} answers {reply.status}, which is not our page", "Let the proxy pass /u/ on.")
    if "set-cookie" in reply.headers:
        return warn(name, "the answer sets a cookie, and one-click must work without (RFC 8058)", "Take it out.")
    return ok(name, "a POST is answered at once, without redirect and cookie")
