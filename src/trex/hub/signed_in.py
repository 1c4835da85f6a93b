"""Who looks at a page: the persona gateway says whose sign-in a cookie is (HUB-001)."""

from dataclasses import dataclass
from typing import Any

import aiohttp
from fastapi import Request

from trex.sdk.gateway import GatewayClient, PersonaGatewayError
from trex.web.browser import cookie_name, form_token
from trex.web.errors import Fault, RefusalError


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in with a key that acts for a passport."""

    passport: str
    account: str
    """As people know it."""
    token: str
    """Of the sign-in; secret."""

    @property
    def form_token(self) -> str:
        """What forms carry, so that no other site's form counts."""
        return form_token(self.token)

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return f"passport:{self.passport}"


class SignIns:
    """Asks a gateway."""

    def __init__(self, url: str, session: aiohttp.ClientSession, secure: bool) -> None:
        """Name the gateway; it is under the same host as the pages, for a cookie is for one host."""
        self.url = url
        self._client, self._secure = GatewayClient(url, session), secure

    async def person(self, request: Request) -> Person | None:
        """Return who is signed in with an acting key; None if nobody.

        Raises:
            RefusalError: the gateway does not answer.
        """
        token = request.cookies.get(cookie_name(self._secure), "")
        if not token:
            return None
        try:
            told = await self._ask("GET", "/v1/sessions/current", token)
        except PersonaGatewayError as error:
            if error.code in ("not_signed_in", "malformed"):
                return None
            said = "the persona gateway does not answer"
            raise RefusalError(Fault.UNAVAILABLE, said, retry_after_s=5) from error
        if told["role"] != "acting":
            return None
        return Person(str(told["passport"]), told["account"], token)

    async def consents(self, person: Person) -> list[dict[str, Any]]:
        """A person's newest words."""
        return list(await self._asked("GET", "/v1/consents", person))

    async def consent(self, person: Person, purpose: str, project: str, given: bool) -> None:
        """Say a person's word at the gateway (GTW-036)."""
        await self._asked(
            "POST", "/v1/consents", person, {"purpose": purpose, "project": project, "given": given}
        )

    async def _asked(self, method: str, path: str, person: Person, body: Any = None) -> Any:
        try:
            return await self._ask(method, path, person.token, body)
        except PersonaGatewayError as error:
            fault = Fault.UNAVAILABLE if error.code == "unavailable" else Fault.REFUSED
            raise RefusalError(fault, f"the gateway says: {error.message}") from error

    async def _ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        return await self._client.ask(method, path, body, token=token)
