"""One file a step. A file that was part of a release is never changed again."""
