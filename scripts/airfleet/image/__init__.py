"""The container images of the chart, made without a container engine, and their parts for tests outside containers."""

from airfleet.image.build import Image, ensure
from airfleet.image.postgres import PostgresServer, postgres_programs, postgres_server
from airfleet.image.recipe import reference
from airfleet.image.venv import venv

__all__ = ["Image", "PostgresServer", "ensure", "postgres_programs", "postgres_server", "reference", "venv"]
