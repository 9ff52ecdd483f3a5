"""The web side: the pages that recipients see."""

from rfs_mail.web.factory import create_web

__all__ = ["create_web"]
