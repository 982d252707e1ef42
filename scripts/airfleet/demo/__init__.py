"""The demo: a lab (or your cluster), the chart, and a DAG that runs as pods."""
