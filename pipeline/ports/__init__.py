"""The only doors outwards: each port is a protocol, a live side, and a source that says how far to trust it.

A side is `steady` when nothing but our own actions changes what lies behind it (files, products, the clock); behind the
others (services, tools) somebody else may act, so what was seen there is looked at again before it is relied on.
"""
