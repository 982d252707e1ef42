"""The airfleet toolkit: Apache Airflow on Kubernetes, on one cluster or a fleet of them."""

__version__ = "0.1.0"
