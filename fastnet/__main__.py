"""``python -m fastnet`` is the command ``fastnet``."""

from .cli import main

if __name__ == "__main__":
    main()
