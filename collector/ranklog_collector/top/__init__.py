"""`ranklog top`: a run on the screen while it goes on. Pure functions say what is shown; textual draws it."""
