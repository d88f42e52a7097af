"""The Mac of a developer as a rehearsal needs it: a keychain, profiles, and an Xcode that makes what a project's settings say."""
