"""What a repository's own workflows, scripts, export options and package pins name, and whether it is there."""
