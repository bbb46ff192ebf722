"""The reader library over run folders: what every command, page and API shows comes from here."""
