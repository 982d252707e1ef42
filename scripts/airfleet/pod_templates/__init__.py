"""The catalogue of pod templates of a release, as its values make it."""

from airfleet.pod_templates.catalogue import PodTemplate, as_created, catalogue, find

__all__ = ["PodTemplate", "as_created", "catalogue", "find"]
