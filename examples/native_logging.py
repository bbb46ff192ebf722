"""Python's own logging: what a script logs is in its driver log, what the SDK does is in 110_azureml.log."""

from __future__ import annotations

import logging

from ranklog import Run

logging.basicConfig(level=logging.DEBUG)
logger = logging.getLogger("training")

run = Run.get_context()
logger.debug("the learning rate is 0.1")
run.log("learning rate", 0.1)
logger.warning("there is no schedule")
