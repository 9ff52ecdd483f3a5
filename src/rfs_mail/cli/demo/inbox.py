"""An inbox for whoever looks on: all mails as the receiving server has them, with working links. Loopback only."""

import re
from collections.abc import Awaitable, Callable
from email.header import decode_header, make_header
from html import escape
from typing import Any
from urllib.parse import parse_qs

from rfs_mail.cli.demo.maillog import MailLog, Received, html_of, parse

Scope = dict[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]]

PAGE = 200
"""Mails on one page of the list."""

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}"
    "iframe{width:100%;height:75vh;border:1px solid #ccc}input{font:inherit;padding:.4rem}"
)
_LIST_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-src 'self'; base-uri 'none'"
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'self'"


def with_inbox(web: Any, log: MailLog) -> Asgi:
    """The pages of `web`, and beside them /demo/inbox."""

    async def app(
        scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/demo/"):
            await web(scope, receive, send)
            return
        status, html, policy = _page(scope["path"], scope["query_string"].decode("latin-1"), log)
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", policy.encode("ascii")),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": html.encode("utf-8")})

    return app


def _page(path: str, query: str, log: MailLog) -> tuple[int, str, str]:
    if path.rstrip("/") == "/demo/inbox":
        return 200, _list(log, (parse_qs(query).get("q") or [""])[0]), _LIST_POLICY
    match = re.fullmatch(r"/demo/inbox/([0-9]{1,9})(/mail)?", path)
    number = int(match[1]) if match else 0
    if match is None or not 0 < number <= len(log.all):
        nothing = '<p>There is no such mail. <a href="/demo/inbox">All mails</a></p>'
        return 404, _frame("Not here", nothing), _LIST_POLICY
    received = log.all[number - 1]
    if match[2]:
        # Links open in the whole window, not in the frame.
        html = html_of(parse(log.message(received)))
        return 200, re.sub(r"<head\b[^>]*>", r'\g<0><base target="_top">', html, count=1), _MAIL_POLICY
    return 200, _one(log, received), _LIST_POLICY


def _list(log: MailLog, wanted: str) -> str:
    needle = wanted.casefold().strip()
    found = [one for one in reversed(log.all) if needle in f"{one.recipient} {one.campaign}/{one.step}".casefold()]
    rows = "".join(
        f"<tr><td>{one.date:%d %b %H:%M}</td><td>{escape(one.recipient)}</td>"
        f'<td><a href="/demo/inbox/{one.number}">{escape(_subject(one))}</a></td>'
        f"<td>{escape(one.campaign)}/{escape(one.step)}</td></tr>"
        for one in found[:PAGE]
    )
    body = (
        f'<form><label>Address, campaign or step: <input name="q" value="{escape(wanted, quote=True)}"></label></form>'
        f"<p>{len(found):,} of {len(log.all):,} mails{f', the newest {PAGE}' if len(found) > PAGE else ''}. "
        f'<a href="/demo/inbox?q=maria@example.org">Maria</a></p>'
        f"<table><tr><th>Date (UTC)</th><th>To</th><th>Subject</th><th>Campaign</th></tr>{rows}</table>"
    )
    return _frame("Inbox of the demo", body)


def _one(log: MailLog, received: Received) -> str:
    message = parse(log.message(received))
    names = ("From", "To", "Subject", "Date", "List-Unsubscribe", "Message-ID")
    heads = "".join(f"<tr><th>{name}</th><td>{escape(str(message.get(name, '')))}</td></tr>" for name in names)
    body = (
        f'<p><a href="/demo/inbox">All mails</a></p><table>{heads}</table>'
        f'<p></p><iframe title="The mail" src="/demo/inbox/{received.number}/mail" '
        'sandbox="allow-top-navigation-by-user-activation allow-popups"></iframe>'
    )
    return _frame(_subject(received), body)


def _subject(received: Received) -> str:
    return str(make_header(decode_header(received.subject.replace("\r\n", ""))))


def _frame(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
