"""Steps promoted from notebooks, run as any other step."""
