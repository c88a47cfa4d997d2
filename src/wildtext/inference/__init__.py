"""Reading: the recogniser, what runs it, and export."""
