"""App Store Connect as the small Apple plays it: routes over remembered resources, answered in JSON:API."""
