"""The command line: ``python -m helpers lab | test | check | refresh | bench | run``."""

import sys


# An older Python must get as far as the sentence below: no newer syntax here and in `helpers/__init__.py`.
def main(argv: "list[str]") -> int:
    if sys.version_info < (3, 11):
        print(
            "The course needs Python 3.11 or newer, and this is Python {}.{}.{}. "
            "Start it with a newer one, for example: python3.13 -m helpers {}".format(
                *sys.version_info[:3], " ".join(argv) or "lab"
            ),
            file=sys.stderr,
        )
        return 2
    from helpers.course.commands import main

    return main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
