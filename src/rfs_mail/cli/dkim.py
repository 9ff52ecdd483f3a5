"""`rfs-mail dkim`: keys that sign mail, and the DNS records that belong to them."""

import os
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rfs_mail.cli.context import current_app, current_folder
from rfs_mail.cli.output import AsJson, count, print_fields, print_json
from rfs_mail.core.dkim import SHORTEST, Algorithm, Signer, load_signer, record, record_line
from rfs_mail.errors import UsageError
from rfs_mail.settings import FILE_NAME

app = typer.Typer(no_args_is_help=True, help="Keys that sign mail, and the DNS records that belong to them.")

FOLDER = "dkim"
"""Where new keys are put, in the working folder."""


@app.command()
def new(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="The domain of From.", show_default=False)],
    selector: Annotated[
        str, typer.Option("--selector", metavar="S", help="The name of the key. A new key needs a new one.")
    ] = "rfs1",
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help="Ed25519: a second key, beside an RSA key, with a selector of its own.")
    ] = False,
) -> None:
    """Make a key, readable by its owner alone, and say which record to publish. Never overwrites a key."""
    domain = domain.lower()
    algorithm = Algorithm.ED25519 if ed25519 else Algorithm.RSA
    pem = _new_key(algorithm)
    name = f"{FOLDER}/{domain}.{selector}.pem"
    signer = load_signer(pem, domain=domain, selector=selector, algorithm=algorithm, name=name)
    _write(current_folder() / name, pem)
    typer.echo(f"Made {name} ({_kind(signer)}), readable by you alone. Keep it out of git, and in your back-up.")
    typer.echo("1. Publish this record in the DNS:")
    _print_record(signer)
    prefix = "ed25519_" if ed25519 else ""
    if ed25519:
        typer.echo(f"2. When others can see it, put into the [[dkim]] of {domain} in {FILE_NAME}:")
    else:
        typer.echo(f"2. When others can see it, put at the end of {FILE_NAME}:")
        typer.echo(f'   [[dkim]]\n   domain = "{domain}"')
    typer.echo(f'   {prefix}selector = "{selector}"\n   {prefix}key_file = "{name}"')
    typer.echo("3. Start `rfs-mail run` again. `rfs-mail dkim show` says what signs for whom.")


@app.command()
def show(
    as_json: AsJson = False,
) -> None:
    """The keys of the settings with their records, and who is not signed for. Exit code 1 where somebody is not."""
    app = current_app()
    signers = [signer for each in app.signers.by_domain.values() for signer in each]
    unsigned = app.unsigned()
    if as_json:
        keys = [
            {
                "domain": signer.domain, "selector": signer.selector, "algorithm": signer.algorithm.value,
                "bits": signer.bits, "canonicalization": signer.canonicalization, "name": signer.record_name,
                "record": record(signer),
            }
            for signer in signers
        ]  # fmt: skip
        print_json({"keys": keys, "unsigned": unsigned})
    elif not signers:
        typer.echo(f"{FILE_NAME} has no [dkim]: mail is not signed here. `rfs-mail dkim new DOMAIN` makes a key.")
    else:
        typer.echo(f"{count(len(signers), 'key')}. The DNS must have:")
        for signer in signers:
            typer.echo(f"\n{signer.domain}  {_kind(signer)}, {signer.canonicalization}")
            _print_record(signer)
        for address in unsigned:
            typer.echo(f"\nNo key signs mail from {address}: it goes out unsigned, unless its relay signs.", err=True)
    if unsigned:
        raise typer.Exit(1)


def _new_key(algorithm: Algorithm) -> bytes:
    key = Ed25519PrivateKey.generate() if algorithm is Algorithm.ED25519 else generate_private_key(65537, SHORTEST)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, pem: bytes) -> None:
    """Write a key that nobody else can read, not even for a moment. Raises UsageError where there is a file already."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    keep_out = path.parent / ".gitignore"
    if not keep_out.exists():
        keep_out.write_text("# Keys are secrets.\n*\n", encoding="utf-8")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(
            f"{path} exists already, and a key is never overwritten. Take another --selector; remove the old key when "
            "the new one signs."
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _kind(signer: Signer) -> str:
    return f"RSA of {signer.bits:,} bits" if signer.algorithm is Algorithm.RSA else "Ed25519"


def _print_record(signer: Signer) -> None:
    print_fields(
        [("name", signer.record_name), ("type", "TXT"), ("value", record(signer)), ("zone", record_line(signer))],
        indent=3,
    )
