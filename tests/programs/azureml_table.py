"""Azure ML's own account of a run's processes, made by azureml-core's own parser.

usage: azureml_table.py RUN_FOLDER [STATUS]...
"""

import json
import sys
from pathlib import Path

from azureml.core.script_run import ScriptRun


class FolderRun(ScriptRun):
    """Gives the parser the files of a folder in place of those that the service would send."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_properties(self) -> dict[str, str]:
        return json.loads((self.folder / "run.json").read_text())["properties"]

    def get_details_with_logs(self) -> dict[str, dict[str, str]]:
        return {"logFiles": {path: (self.folder / path).read_text() for path in self.get_properties().values()}}


print(FolderRun(Path(sys.argv[1]))._get_process_status(sys.argv[2:] or None))
