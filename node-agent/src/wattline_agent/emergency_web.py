"""``/v1/emergency``: what levels there are, and the door for those who may begin one."""

from aiohttp import web
from pydantic import ValidationError

from wattline.api.base import Spec
from wattline.model.wire import TOKEN_HEADER, EmergencySignal, EmergencyView
from wattline_agent.signals import Signals, knows

PATH = "/v1/emergency"


def routes(node: str, signals: Signals) -> list[web.RouteDef]:
    """Return the handlers; without a token nobody can begin anything."""

    async def levels(_: web.Request) -> web.Response:
        view = signals.view
        if view is None:
            return _problem(503, "the device process has not spoken yet")
        answer = EmergencyView(node=node, at_seconds=view.at_seconds, levels=view.emergencies)
        return _json(answer, 200)

    async def signal(request: web.Request) -> web.Response:
        token = signals.token()
        if not token:
            return _problem(403, "this agent has no token, so it takes no signals over HTTP")
        if not knows(token, _said(request)):
            return _problem(401, "a token is needed: Authorization: Bearer TOKEN")
        try:
            asked = EmergencySignal.model_validate_json(await request.text())
        except (ValidationError, UnicodeDecodeError):
            return _problem(400, 'a signal reads {"level": NAME, "action": "start" or "end"}')
        view = signals.view
        if view is None:
            return _problem(503, "the device process has not spoken yet")
        level = next((each for each in view.emergencies if each.level == asked.level), None)
        if level is None:
            known = ", ".join(each.level for each in view.emergencies) or "none"
            return _problem(404, f"no level {asked.level} is armed here; armed: {known}")
        if asked.action == "end" and view.lease_remaining_seconds <= 0:
            return _problem(
                409, "nobody renews the order that would count then; the level ends by its duration"
            )
        signals.called(asked)
        return _json(level, 202)

    return [web.get(PATH, levels), web.post(PATH, signal)]


def _said(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get(TOKEN_HEADER, "")


def _json(answer: Spec, code: int) -> web.Response:
    return web.Response(
        text=answer.model_dump_json(by_alias=True), content_type="application/json", status=code
    )


def _problem(code: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=code)
