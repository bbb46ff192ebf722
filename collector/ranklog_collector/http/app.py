"""The web application: the API, and what surrounds it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from ranklog_collector.http.api import PREFIX, api
from ranklog_collector.http.condition import condition
from ranklog_collector.http.errors import add_handlers
from ranklog_collector.http.figures import read
from ranklog_collector.http.guard import Guard
from ranklog_collector.http.mlflow import MlflowApi
from ranklog_collector.http.settings import Settings
from ranklog_collector.views.folders import Folders

DESCRIPTION = "What a ranklog collector knows of its runs. Times are UTC; a cursor is to be handed back as it came."


def make_app(settings: Settings) -> ASGIApp:
    """Make it."""
    app = FastAPI(
        title="ranklog",
        version="1",
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page would load scripts from a CDN, which clusters do not reach
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name,
    )
    add_handlers(app)
    app.include_router(api(Folders(settings.root)))
    app.include_router(condition(lambda: read(settings.figures), settings.parent))
    return Guard(MlflowApi(app, settings.root, settings.catalog), settings.token, settings.is_loopback)


def _name(route: Any) -> str:
    return str(route.name)
