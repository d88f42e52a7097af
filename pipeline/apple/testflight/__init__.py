"""TestFlight: the groups of testers, and how far a build is on its way to them."""
