"""Looking at a running desk from outside its stages: live figures, latency and staleness, throughput and lag."""
