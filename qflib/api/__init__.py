"""REST and WebSocket over the views; `qf.connect()` is the client."""
