"""The parts of the ingestion path: one module a component, policies as plain functions, settings read in one place.

`infra/__main__.py` puts them together; nothing here declares a resource when it is imported.
"""
