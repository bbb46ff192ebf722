"""`python -m ranklog_agent`: the same as `ranklog agent`."""

from ranklog_agent.cli import agent

agent(prog_name="ranklog agent")
