"""The menu as a person meets it: from a shell, with all that can be wrong there."""
