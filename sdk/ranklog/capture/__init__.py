"""`ranklog exec`: runs one process of a job, and keeps what it says and how it ended."""
