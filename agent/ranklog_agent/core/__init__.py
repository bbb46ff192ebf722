"""What the agent decides: values in, values out; no files, sockets or clocks."""
