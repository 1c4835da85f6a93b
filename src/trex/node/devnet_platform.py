"""A devnet's own Twitch: signs in whoever says who they are, as the real one does (RFC 6749, 7636)."""

import base64
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from importlib import resources
from urllib.parse import urlencode

from aiohttp import web

PLATFORM = "twitch"
"""Which platform it is."""
CLIENT, SECRET = "devnet", "everybody knows it"
"""Of the devnet's gateway."""
HOSTS = ("https://id.twitch.tv", "https://api.twitch.tv")
FORM = """<!doctype html><title>Twitch of the devnet</title>
<form><label>Account <input name="login"></label>{}</form>"""


@dataclass(frozen=True, slots=True)
class _Asked:
    login: str
    challenge: str
    redirect: str


@dataclass(slots=True)
class DevPlatform:
    """Accounts are numbers; nobody proves anything, for nothing here is worth anything."""

    redirects: str
    """Origin of the gateway: nobody is sent anywhere else."""
    _codes: dict[str, _Asked] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)

    def app(self) -> web.Application:
        """Return what serves it."""
        made = web.Application()
        made.router.add_get("/oauth2/authorize", self.authorize)
        made.router.add_post("/oauth2/token", self.token)
        made.router.add_get("/helix/users", self.users)
        return made

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Send whoever says who they are back with a code."""
        asked = request.query
        login, redirect = asked.get("login", ""), asked.get("redirect_uri", "")
        if not redirect.startswith(f"{self.redirects}/") or asked.get("client_id") != CLIENT:
            raise web.HTTPBadRequest(text="another client's")
        if not (login.isascii() and login.isdigit()):
            hidden = "".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                for name, value in asked.items()
                if name != "login"
            )
            return web.Response(text=FORM.format(hidden), content_type="text/html")
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Asked(login, asked.get("code_challenge", ""), redirect)
        raise web.HTTPFound(f"{redirect}?{urlencode({'code': code, 'state': asked.get('state', '')})}")

    async def token(self, request: web.Request) -> web.Response:
        """Change a code for a token, once."""
        form = await request.post()
        asked = self._codes.pop(str(form.get("code")), None)
        told = base64.urlsafe_b64encode(sha256(str(form.get("code_verifier")).encode()).digest())
        right = asked is not None and asked.challenge == told.rstrip(b"=").decode()
        if asked is None or not right or form.get("client_secret") != SECRET:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = secrets.token_urlsafe(24)
        self._tokens[token] = asked.login
        return web.json_response({"access_token": token, "token_type": "bearer"})

    async def users(self, request: web.Request) -> web.Response:
        """Say whose token it is."""
        login = self._tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if login is None:
            return web.json_response({"error": "Unauthorized"}, status=401)
        return web.json_response({"data": [{"id": login, "login": f"streamer_{login}"}]})


def document(origin: str) -> str:
    """The platform's description, as the gateway reads it, with this one's address."""
    folder = resources.files("trex.validators.social").joinpath("platforms")
    text = folder.joinpath(f"{PLATFORM}.json").read_text(encoding="utf-8")
    for host in HOSTS:
        text = text.replace(host, origin)
    return text


async def serve_platform(gateway: str) -> tuple[web.AppRunner, str]:
    """Serve it on a free port of the loopback; return what ends it, and its origin."""
    runner = web.AppRunner(DevPlatform(gateway).app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
