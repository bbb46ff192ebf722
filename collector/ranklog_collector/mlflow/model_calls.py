"""What of MLflow 3 clients ask on their way, also if they log no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranklog_collector.mlflow.fields import Json

if TYPE_CHECKING:
    from ranklog_collector.mlflow.tracking import Tracking


async def search(tracking: Tracking, request: Json) -> Json:
    """Find models: there are none."""
    return {}


async def server_info(tracking: Tracking, request: Json) -> Json:
    """Tell what the server can do."""
    return {"store_type": "SqlStore", "multipart_uploads_enabled": False, "multipart_downloads_enabled": False}
