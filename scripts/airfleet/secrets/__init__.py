"""The life of a release's secrets: what they are, who reads them, and how each is replaced while tasks run.

`installed` finds what a release has, `rotation` is how every rotation goes, one module for each kind says its steps.
"""
