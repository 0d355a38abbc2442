"""``python -m rowsight``: the command line where no script of that name is on the path."""

from rowsight.surfaces.cli import main

main()
