"""Many clusters from one set of values files: who gets which value and why, what changes where, and applying just that.

Data flows one way, and each arrow is a module:

    files -inventory-> Fleet -resolve-> values of a cluster, with the line of each -render-> manifests
        -validate, lint, diff-> findings and changes -plan-> plan -apply-> outcome

What the toolkit knows of Airflow is in `adapters` alone.
"""
