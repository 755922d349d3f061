"""One file a bench: `rows(peers)` yields what it measured."""
