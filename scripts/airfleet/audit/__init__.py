"""What is known against the versions that the project has pinned and built: `airfleet audit`.

python.py    locked Python packages: pip-audit asks an advisory database
debian.py    Debian packages of built images: the security suite, as this machine's apt reaches it
accepted.py  findings that somebody has accepted, why and until when
report.py    all of it put together, and what is left open
"""
