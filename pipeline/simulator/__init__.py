"""A small Apple for rehearsals and tests: it answers as Apple does and shares no code with the clients it answers."""
