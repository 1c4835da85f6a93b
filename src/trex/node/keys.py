"""Keys of a user who signs on the command line: never an argument, which others could see."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from eth_account import Account
from eth_account.signers.local import LocalAccount

from trex.chain.dev.accounts import ACCOUNTS
from trex.settlement.l1.transaction import account_of

F = TypeVar("F", bound=Callable[..., Any])
KEY_VARIABLE = "TREX_KEY"
PASSWORD_VARIABLE = "TREX_KEYSTORE_PASSWORD"  # noqa: S105
DEVELOPMENT_CHAINS = frozenset({31337, 1337})
"""Chain ids of L1s on which keys that everybody knows may be used."""


def key_options(command: F) -> F:
    """Add the options that name a key to a command, which passes them to `read_account`."""
    for add in (
        click.option(
            "--keystore",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=f"Encrypted key (Web3 Secret Storage); its password from ${PASSWORD_VARIABLE}, or asked.",
        ),
        click.option(
            "--account", type=click.IntRange(0, len(ACCOUNTS) - 1), help="One of a devnet's ten accounts."
        ),
    ):
        command = add(command)
    return command


def read_account(account: int | None, keystore: Path | None, l1_chain_id: int) -> LocalAccount:
    """Return who signs: a devnet's account, a keystore, $TREX_KEY, or a key typed in unseen.

    Raises:
        click.ClickException: it is no key; its content is not shown.
        click.UsageError: a key that everybody knows, on an L1 that is no devnet's.
    """
    if account is not None:
        if l1_chain_id not in DEVELOPMENT_CHAINS:
            raise click.UsageError("--account names keys that everybody knows: for a devnet only")
        return account_of(ACCOUNTS[account].key)
    if keystore is not None:
        password = os.environ.get(PASSWORD_VARIABLE)
        if password is None:
            password = click.prompt(f"Password of {keystore}", hide_input=True, err=True)
        try:
            return account_of(bytes(Account.decrypt(json.loads(keystore.read_text()), password)))
        except Exception as error:  # the library raises what it likes
            raise click.ClickException(f"{keystore}: not a keystore, or another password") from error
    text = os.environ.get(KEY_VARIABLE)
    if text is None:
        text = click.prompt(
            f"Private key (or set ${KEY_VARIABLE}, --keystore, --account)", hide_input=True, err=True
        )
    try:
        return account_of(bytes.fromhex(text.strip().removeprefix("0x")))
    except Exception as error:  # the same
        raise click.ClickException("not a private key of 32 bytes in hex") from error
