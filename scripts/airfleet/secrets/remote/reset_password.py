"""Runs in an api-server's pod: gives a FAB user the password that comes in one line of JSON on standard input."""

import json
import sys

told = json.loads(sys.stdin.readline())
answer = {}
try:
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        user = builder.sm.find_user(username=told["username"])
        if user is None:
            answer["error"] = f"there is no user {told['username']}; admin.create makes the first one"
        else:
            user.active = True
            if not builder.sm.reset_password(user.id, told["password"]):
                answer["error"] = "FAB refused"
except ImportError as error:
    answer["error"] = f"users are not kept by the FAB auth manager: {error}"
print(json.dumps(answer))
