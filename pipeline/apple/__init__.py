"""What Apple means by its words, one room for each of its domains."""
