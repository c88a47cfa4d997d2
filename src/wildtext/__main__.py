"""``python -m wildtext``."""

from wildtext.cli import entry

if __name__ == "__main__":
    entry()
