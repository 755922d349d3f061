"""One stage: a step on Quix Streams, with journal, snapshots, restore and dead letters."""
