"""Decisions as data: `config/pipeline.yaml`, read strictly, with the line of every value."""
