"""The walk: observe, judge, propose, perform, prove, and remember; it knows nothing of Apple, HTTP or rehearsals."""
