"""Everything that a team signs with, wherever it lies: machine, files, environment, vault, App Store Connect."""
