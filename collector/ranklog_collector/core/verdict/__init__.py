"""Which rank failed first, why, and what was only a consequence: recorded evidence in, a finding out. Pure."""
