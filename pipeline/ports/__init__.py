"""The only doors outwards: each port is a protocol, a live side, and a source that says how far to trust it.

A side says in `changed_by` who may change what lies behind it: "OTHERS" (services, tools; also when nothing is said),
"US" (files and products, which only our own actions change), or "NOBODY" (the clock, secrets, progress). What others
may have changed is looked at again before it is relied on; what only we change is looked at again after we did.
"""
