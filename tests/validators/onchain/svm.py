"""A real Solana virtual machine (LiteSVM) behind Solana's JSON-RPC, with what it did."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM
from solders.system_program import CreateAccountParams, TransferParams, create_account, transfer
from solders.token.associated import get_associated_token_address
from solders.token.state import TokenAccount
from solders.transaction import Transaction
from solders.transaction_metadata import TransactionMetadata

from trex.validators.onchain.solana import TOKEN_PROGRAMS, SolanaSource

ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
START_S = 1_700_000_000
WITH_SLOT = frozenset({"getBalance", "getAccountInfo", "getTokenAccountsByOwner"})
LAMPORTS = 10**9


@dataclass
class Machine:
    """The machine, what accounts it has, and lies on demand."""

    svm: LiteSVM = field(default_factory=LiteSVM)
    payer: Keypair = field(default_factory=Keypair)
    accounts: list[Pubkey] = field(default_factory=list)
    lie: Callable[[str, Any], Any] | None = None
    slot: int = 5
    time_s: int = START_S
    first_slot: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    """What was done, with the state of the accounts before and after."""
    asked: list[str] = field(default_factory=list)

    def send(
        self, *instructions: Instruction, signers: tuple[Keypair, ...] = (), fails: bool = False
    ) -> None:
        everyone = [self.payer, *signers]
        message = Message.new_with_blockhash(
            list(instructions), self.payer.pubkey(), self.svm.latest_blockhash()
        )
        sending = Transaction(everyone, message, self.svm.latest_blockhash())
        before = self._balances(message.account_keys)
        done = self.svm.send_transaction(sending)
        assert isinstance(done, TransactionMetadata) is not fails, done
        after = self._balances(message.account_keys)
        self.svm.expire_blockhash()
        meta = {
            "err": {"InstructionError": [0, "x"]} if fails else None,
            **{"preBalances": before[0], "postBalances": after[0]},
            **{"preTokenBalances": before[1], "postTokenBalances": after[1]},
        }
        keys = [str(key) for key in message.account_keys]
        self.sent.append(
            {
                "signature": str(sending.signatures[0]),
                **{"slot": self.slot, "blockTime": self.time_s, "meta": meta},
                "transaction": {"message": {"accountKeys": keys}},
            }
        )

    def _balances(self, keys: list[Pubkey]) -> tuple[list[int], list[dict[str, Any]]]:
        tokens = []
        for index, key in enumerate(keys):
            found = self.svm.get_account(key)
            if found is None or found.owner not in TOKEN_PROGRAMS or len(found.data) < 165:
                continue
            token = TokenAccount.from_bytes(bytes(found.data)[:165])
            amount = {"amount": str(token.amount)}
            named = {"accountIndex": index, "mint": str(token.mint), "owner": str(token.owner)}
            tokens.append({**named, "uiTokenAmount": amount})
        return [self.svm.get_balance(key) or 0 for key in keys], tokens

    def wait(self, seconds: int) -> None:
        """Let what follows happen so much later."""
        self.time_s += seconds
        self.slot += 1

    def pay(self, by: Keypair, to: Pubkey, lamports: int) -> None:
        """Move SOL; the machine's payer pays the fee."""
        move = transfer(TransferParams(from_pubkey=by.pubkey(), to_pubkey=to, lamports=lamports))
        self.send(move, signers=() if by == self.payer else (by,))

    def associate(self, program: Pubkey, mint: Pubkey, owner: Pubkey) -> Pubkey:
        """Make the associated token account."""
        made = get_associated_token_address(owner, mint, program)
        who = [AccountMeta(self.payer.pubkey(), True, True), AccountMeta(made, False, True)]
        who += [AccountMeta(key, False, False) for key in (owner, mint, SYSTEM, program)]
        self.send(Instruction(ASSOCIATED, b"", who))
        self.accounts.append(made)
        return made

    def give(self, program: Pubkey, mint: Pubkey, to: Pubkey, amount: int) -> None:
        """Make tokens in an account."""
        who = [AccountMeta(mint, False, True), AccountMeta(to, False, True)]
        who.append(AccountMeta(self.payer.pubkey(), True, False))
        self.send(Instruction(program, bytes([7]) + amount.to_bytes(8, "little"), who))

    def move(
        self, program: Pubkey, by: Keypair, ends: tuple[Pubkey, Pubkey], amount: int, *, fails: bool = False
    ) -> None:
        """Move tokens from one account to another."""
        who = [AccountMeta(end, False, True) for end in ends] + [AccountMeta(by.pubkey(), True, False)]
        data = bytes([3]) + amount.to_bytes(8, "little")
        self.send(Instruction(program, data, who), signers=(by,), fails=fails)

    def close(self, program: Pubkey, by: Keypair, account: Pubkey) -> None:
        """Close an empty token account."""
        who = [AccountMeta(account, False, True), AccountMeta(by.pubkey(), False, True)]
        who.append(AccountMeta(by.pubkey(), True, False))
        self.send(Instruction(program, bytes([9]), who), signers=(by,))

    def create(self, size: int, program: Pubkey, *then: Callable[[Pubkey], Instruction]) -> Pubkey:
        key = Keypair()
        rent = self.svm.minimum_balance_for_rent_exemption(size)
        made = create_account(
            CreateAccountParams(
                from_pubkey=self.payer.pubkey(),
                to_pubkey=key.pubkey(),
                lamports=rent,
                space=size,
                owner=program,
            )
        )
        self.send(made, *(one(key.pubkey()) for one in then), signers=(key,))
        self.accounts.append(key.pubkey())
        return key.pubkey()

    def mint(self, program: Pubkey, decimals: int) -> Pubkey:
        data = bytes([20, decimals]) + bytes(self.payer.pubkey()) + b"\0"
        return self.create(
            82, program, lambda key: Instruction(program, data, [AccountMeta(key, False, True)])
        )

    def hold(self, program: Pubkey, mint: Pubkey, owner: Pubkey, amount: int) -> Pubkey:
        data = bytes([18]) + bytes(owner)
        made = self.create(
            165,
            program,
            lambda key: Instruction(
                program, data, [AccountMeta(key, False, True), AccountMeta(mint, False, False)]
            ),
        )
        self.give(program, mint, made, amount)
        return made

    def answer(self, method: str, params: list[Any]) -> Any:
        if method == "getFirstAvailableBlock":
            return self.first_slot
        if method == "getBlockTime":
            times = [START_S, *(one["blockTime"] for one in self.sent if one["slot"] <= params[0])]
            return self.time_s if params[0] == self.slot else times[-1]
        if method == "getTransaction":
            return next(one for one in self.sent if one["signature"] == params[0])
        if method == "getSignaturesForAddress":
            return self.signatures(*params)
        key = Pubkey.from_string(params[0])
        assert params[-1]["commitment"] == "finalized"
        if method == "getBalance":
            return self.svm.get_balance(key) or 0
        if method == "getAccountInfo":
            return self.show(key)
        assert method == "getTokenAccountsByOwner"
        mint = Pubkey.from_string(params[1]["mint"])
        return [
            {"pubkey": str(one), "account": self.show(one)}
            for one in self.accounts
            if self.is_of(one, key, mint)
        ]

    def signatures(self, key: str, options: dict[str, Any]) -> list[dict[str, Any]]:
        """What `getSignaturesForAddress` says: newest first, a page at a time."""
        kept = [one for one in self.sent if one["slot"] >= self.first_slot]
        named = [one for one in reversed(kept) if key in one["transaction"]["message"]["accountKeys"]]
        if "before" in options:
            place = next(i for i, one in enumerate(named) if one["signature"] == options["before"])
            named = named[place + 1 :]
        told = ("signature", "slot", "blockTime")
        return [{name: one[name] for name in told} for one in named[: options["limit"]]]

    def is_of(self, account: Pubkey, owner: Pubkey, mint: Pubkey) -> bool:
        found = self.svm.get_account(account)
        if found is None or len(found.data) < 165:
            return False
        token = TokenAccount.from_bytes(bytes(found.data)[:165])
        return token.owner == owner and token.mint == mint

    def show(self, key: Pubkey) -> Any:
        found = self.svm.get_account(key)
        if found is None:
            return None
        return {"owner": str(found.owner), "data": [base64.b64encode(bytes(found.data)).decode(), "base64"]}


@asynccontextmanager
async def served(machine: Machine) -> AsyncIterator[SolanaSource]:
    """Two endpoints of one machine; the second may lie."""

    def handler(lies: bool) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            asked = await request.json()
            if isinstance(asked, list):
                return web.json_response([told(one) for one in asked])
            return web.json_response(told(asked))

        def told(asked: dict[str, Any]) -> dict[str, Any]:
            value = machine.answer(asked["method"], asked["params"])
            if lies and machine.lie is not None:
                value = machine.lie(asked["method"], value)
            if asked["method"] in WITH_SLOT:
                value = {"context": {"slot": machine.slot}, "value": value}
            machine.asked.append(asked["method"])
            return {"jsonrpc": "2.0", "id": asked["id"], "result": value}

        return handle

    application = web.Application()
    application.router.add_post("/one", handler(False))
    application.router.add_post("/two", handler(True))
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            yield SolanaSource([f"{base}/one", f"{base}/two"], 2, session, timeout_s=300)
    finally:
        await runner.cleanup()
