"""Init container of the control plane: waits until the database is at the revisions of this image.
It imports no Airflow and holds no connection between looks. Exit codes: docs/reference/boot-files.md."""

import sys
from contextlib import closing

from airfleet_common import BootError, LaterError, Patience, connect, say, unfinished


def main() -> int:
    """Return the exit code."""
    try:
        patience = Patience(0)
        while True:
            try:
                with closing(connect()) as connection:
                    if not (missing := unfinished(connection)):
                        break
                patience.wait(f"waiting for the bootstrap Job: {missing}")
            except LaterError as error:
                patience.wait(f"waiting: {error}")
    except BootError as error:
        print(error.text, flush=True)
        return error.code
    say("the database is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
