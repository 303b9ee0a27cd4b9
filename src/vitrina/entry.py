"""Where `vitrina` begins, so that Ctrl-C finds somebody while all the rest is still imported."""

import sys


def main() -> None:
    try:
        from vitrina.cli import main
    except KeyboardInterrupt:
        print("interrupted before anything was done; run the same command again", file=sys.stderr)
        raise SystemExit(130) from None
    main()
