"""What `get_metrics(populate=True)` gives for an image or a document."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ranklog.run.shapes import ADDRESS


@dataclass(frozen=True)
class Artifact:
    """A file of a run; the fields are azureml's."""

    filename: str
    data: bytes = field(repr=False)
    data_location: str
    metric_type: str

    @property
    def origin(self) -> str:
        """Always `ExperimentRun`."""
        return self.data_location.split("/")[3]

    @property
    def container(self) -> str:
        """`dcid.` and the run's id."""
        return ADDRESS.rpartition("/")[2] + self.data_location.removeprefix(ADDRESS).partition("/")[0]

    @property
    def path(self) -> str:
        """Where in the run it is."""
        return self.data_location.removeprefix(ADDRESS).partition("/")[2]

    def convert_to_object(self) -> Any:
        """The content of a JSON document; of an image the artifact itself."""
        return self if self.metric_type == "azureml.v2.image" else json.loads(self.data)
