"""The only doors outwards: each port is a protocol, a live side, and a source that says how far to trust it."""
