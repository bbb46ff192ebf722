"""What each launcher leaves, read: paths, tags, records and messages in, values out. No files, no clocks."""
