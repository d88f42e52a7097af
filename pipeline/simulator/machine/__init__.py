"""A developer's Mac for rehearsals: a keychain, profiles, and an Xcode that makes what a project's settings say."""
