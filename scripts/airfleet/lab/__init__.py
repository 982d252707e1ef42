"""The lab: a real upstream Kubernetes on one Linux machine, for the demo and the tests. See docs/guide/lab.md."""

from airfleet.lab.lab import Lab

__all__ = ["Lab"]
