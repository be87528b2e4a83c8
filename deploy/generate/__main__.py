"""Make all generated files of `deploy/` and `schemas/` anew: `python -m deploy.generate`, or `make deploy-files`."""

from deploy.generate.files import GENERATORS, write


def main() -> None:
    """Write what is stale, and say which files those were."""
    for generator in GENERATORS.values():
        for name in write(generator):
            print(name)


if __name__ == "__main__":
    main()
