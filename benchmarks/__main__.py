"""Every workload, one after the other: `make bench`, or as small as can be with --smoke."""

import sys

from benchmarks import imports, record, replay, settle, start, virtual

if __name__ == "__main__":
    for workload in (settle, record, replay, imports, start, virtual):
        sys.argv[0] = workload.__name__
        workload.main()
