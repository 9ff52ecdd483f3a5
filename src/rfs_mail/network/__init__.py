"""Looking at the world outside: the DNS, the addresses of hosts, a page. Reads only, and never waits long."""

from rfs_mail.network.dns import Resolver
from rfs_mail.network.http import NoReplyError, Reply, post_form
from rfs_mail.network.patience import NoAddressError, addresses, in_background, outgoing_address

__all__ = [
    "NoAddressError",
    "NoReplyError",
    "Reply",
    "Resolver",
    "addresses",
    "in_background",
    "outgoing_address",
    "post_form",
]
