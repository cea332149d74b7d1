"""``python -m clearcall``: the same as the ``clearcall`` program."""

from clearcall.cli import main

if __name__ == "__main__":
    main()
