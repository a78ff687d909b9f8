"""`python -m ops.chaos.worker …`: Celery with our app, under the plan of the environment."""

import sys

from celery.__main__ import main as celery

from ops.chaos import points


def main() -> None:
    """Install the plan, then be Celery."""
    plan = points.Plan.of_environment()
    points.install(plan)
    if plan.double:
        points.publish_twice()
    sys.argv = ["celery", "-A", "workers.app:app", *sys.argv[1:]]
    celery()


if __name__ == "__main__":
    main()
