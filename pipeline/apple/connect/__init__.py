"""App Store Connect: the app's record, its builds and versions, and the way a build gets there."""
