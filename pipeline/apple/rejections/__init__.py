"""Apple's answers to an upload, recognised by code or by text, and the rules that would have found them before."""
