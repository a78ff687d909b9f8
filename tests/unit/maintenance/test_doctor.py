"""What the doctor's module costs the commands that do not run it."""

import subprocess
import sys


def test_celery_is_imported_by_the_doctor_s_checks_alone() -> None:
    modules = "dispatcher.cli, dispatcher.maintenance.doctor, sys"
    told = f"import {modules}; print(sorted({{'celery', 'kombu'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True).stdout == "[]\n"
