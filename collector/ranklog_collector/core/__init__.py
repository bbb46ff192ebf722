"""What the collector decides: values in, values out; no files, sockets or clocks."""
