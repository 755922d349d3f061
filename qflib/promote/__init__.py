"""From a notebook's cell to a step of the stream, with proof: checks, the parity ladder, locks."""
