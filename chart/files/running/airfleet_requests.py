"""Counts and times the requests to Airflow's API servers, which Airflow 3.3.2 does not. The task policy's module, which
every Airflow process imports, imports this one in an API server: it wraps the application, whatever its --apps."""

import time

from fastapi import FastAPI

_PROBES = ("/health", "/version")  # the kubelet's requests would hide the others
_SEEN = "airfleet.seen"  # the application within the application is wrapped, too


class Measured:
    """One timing for each request, until its answer begins, with two tags: which API, and the class of the status."""

    def __init__(self, app) -> None:
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or _SEEN in scope or scope["path"].endswith(_PROBES):
            return await self._app(scope, receive, send)
        scope[_SEEN], started, told = True, time.monotonic(), []
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        api = "execution" if path.startswith("/execution/") else "core"

        def tell(status: int) -> None:
            from airflow._shared.observability.metrics import stats

            if not told:
                told.append(status)
                seconds = time.monotonic() - started
                stats.timing("api.request", seconds * 1000, tags={"api": api, "status": f"{status // 100}xx"})

        async def answer(message) -> None:
            if message["type"] == "http.response.start":
                tell(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            tell(500)
            raise


_build = FastAPI.build_middleware_stack
FastAPI.build_middleware_stack = lambda self: Measured(_build(self))
