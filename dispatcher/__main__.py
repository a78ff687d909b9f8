"""`python -m dispatcher`: the same as the command `dispatcher`."""

from dispatcher.cli import main

main()
