"""
Every error of the product, in one tree.

    RfsMailError                     the root; `str(error)` is a sentence that says what to do next
    ├── SettingsError                rfs-mail.toml or an RFS_MAIL_* variable is wrong
    ├── UsageError                   a command was asked wrongly (exit code 2)
    ├── NotFoundError                no such person, campaign, delivery, window ...
    ├── CampaignFileError            one or more findings in campaign files and templates
    │   └── ExpressionError          one expression, with the place inside it
    ├── TimeError                    one time (`closes - 3d @ 10:00`), with the place inside it
    ├── RenderError                  a template failed for one person; that delivery fails, the batch goes on
    ├── MessageError                 a message that must not be sent as it is (header, size, missing footer)
    ├── AddressError                 an address that cannot be mailed
    ├── TokenError                   a link or return address that we did not sign
    ├── StoreError                   the database is missing, old or in use
    │   └── HeldError                another process holds the lock; names the holder
    └── TransportError               a relay cannot be used as configured

Outcomes that are normal (a bounce, a skip, a deferral) are values, never exceptions.
"""


class RfsMailError(Exception):
    """The root. The message is one plain sentence for a person, and says what to do next."""


class SettingsError(RfsMailError):
    """A setting is missing, unknown or wrong."""


class UsageError(RfsMailError):
    """A command was asked wrongly."""


class NotFoundError(RfsMailError):
    """The thing that was named does not exist."""


class CampaignFileError(RfsMailError):
    """Campaign files or templates have findings that must be mended first."""


class ExpressionError(CampaignFileError):
    """
    An expression cannot be understood.

    `line` and `column` count from 1 inside the expression's own text; `hint` is the corrected text, where one is known.
    """

    def __init__(self, message: str, *, line: int = 1, column: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.hint = hint


class TimeError(RfsMailError):
    """A time of a campaign file cannot be understood. `column` counts from 1 inside its own text."""

    def __init__(self, message: str, *, column: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.hint = hint


class RenderError(RfsMailError):
    """A template failed. `template` names it, `field` the variable, where one is to blame."""

    def __init__(self, message: str, *, template: str = "", field: str = "") -> None:
        super().__init__(message)
        self.template = template
        self.field = field


class MessageError(RfsMailError):
    """A message must not go out as it is. `field` names the header or part to blame."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class AddressError(RfsMailError):
    """An address that cannot be mailed. `reason` is a short stable word, the message a sentence."""

    def __init__(self, message: str, *, reason: str = "invalid") -> None:
        super().__init__(message)
        self.reason = reason


class TokenError(RfsMailError):
    """A token that is damaged or was not made by us."""


class StoreError(RfsMailError):
    """The database is missing, of another version, or refuses."""


class HeldError(StoreError):
    """Another process holds what only one may hold."""


class TransportError(RfsMailError):
    """A relay cannot be used as it is configured."""
