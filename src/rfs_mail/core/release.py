"""A campaign as it would be applied, and the digests by which equal ones are known."""

from collections.abc import Mapping
from dataclasses import dataclass

from rfs_mail.core.campaign import Campaign, ReleaseContent
from rfs_mail.core.digest import digest
from rfs_mail.core.mail import MailSource

Mails = Mapping[str, Mapping[str, MailSource]]
"""Template `folder/name` -> "en", or "en.variant" -> the compiled mail."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign as it would be applied. `context` is what it names: segments, fields, entity and topics."""

    definition: Campaign
    mails: Mails
    context: ReleaseContent

    @property
    def digest(self) -> str:
        """Covers the definition, every compiled mail and the context."""
        return digest({"definition": self.definition, "mails": self.mails, "context": self.context})


def release_digest(content: ReleaseContent, drafts: Mapping[str, Draft]) -> str:
    """The digest of a whole release: its content and the digests of its campaigns."""
    return digest({"content": content, "revisions": {name: draft.digest for name, draft in drafts.items()}})
