"""What launchers left behind becomes a run folder, after the fact."""
